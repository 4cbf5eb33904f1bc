package notebook

import (
	"github.com/janpfeifer/gonb/gonbui"
)

// Live returns a function that shows a value as Show does, each time in the place of the one before: the
// curve of a training that grows while it runs. The cell keeps the last one. Elsewhere than in a
// notebook it shows nothing, for there is no place to go back to: Show the last value.
func Live() func(value any) {
	if !gonbui.IsNotebook {
		return func(any) {}
	}
	id := gonbui.UniqueId()
	return func(value any) {
		shown := Must(render(value))
		send(shown.data(), shown.metadata(), id)
		flush()
	}
}
