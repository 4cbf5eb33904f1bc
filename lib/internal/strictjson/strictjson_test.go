package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

type inner struct {
	Depth int `json:"depth"`
}

type part struct {
	R float64 `json:"r"`
}

func (p *part) UnmarshalJSON(text []byte) error {
	type plain part
	return DecodePart(text, (*plain)(p))
}

type whole struct {
	inner
	Name  string             `json:"name"`
	On    bool               `json:"on"`
	List  []int              `json:"list"`
	Taus  map[string]float64 `json:"taus"`
	Part  part               `json:"part"`
	Other any                `json:"other,omitempty"`
	Mine  string             `json:"-"`
}

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"all of it":              {`{"name":"a","on":true,"list":[1],"depth":3,"taus":{"size":0.5},"part":{"r":2}}` + "\n\n", ""},
		"a comma too many":       {"{\n  \"name\": \"融合\",\n  \"on\": true,\n}", "line 4, column 1: invalid character '}' looking for beginning of object key string"},
		"behind wide letters":    {`{"name": "融合" "on"}`, "line 1, column 15: invalid character '\"' after object key:value pair"},
		"no JSON":                {"hello", "line 1, column 1: invalid character 'h' looking for beginning of value"},
		"cut off":                {"{\"name\": \"a\",\n", "line 2, column 1: the object does not end"},
		"nothing":                {" ", "there is nothing"},
		"two objects":            {"{}\n {}", "line 2, column 2: something follows the object"},
		"another type":           {"{\n  \"depth\": \"three\",\n  \"on\": true}", "line 2, column 18: depth is a string, want a whole number"},
		"another type, one line": {`{"depth":2.5}`, "depth is a number 2.5, want a whole number"},
		"an object for a list":   {`{"list":{}}`, "list is an object, want a list"},
		"a list of it":           {`[]`, "it is an array, want an object"},
		"an unknown field":       {`{"nam":"a"}`, `unknown field "nam": known are depth, name, on, list, taus, part, other`},
		"of a part":              {"{\n\"part\": {\"q\":2}}", `unknown field "q": known are r`},
		"a type in a part":       {"{\n\"part\":\n{\"r\":[]}}", "r is an array, want a number"},
	} {
		t.Run(name, func(t *testing.T) {
			var into whole
			err := Decode([]byte(c.text), &into)
			if err == nil {
				err = errors.New("")
			}
			if err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	var into whole
	if err := Decode([]byte(`{"other":1.50}`), &into); err != nil || into.Other != json.Number("1.50") {
		t.Errorf("%v, %v: want the number as it is written", into.Other, err)
	}
	if err := Peek([]byte(`{"name":"a","more":1}`), &into); err != nil || into.Name != "a" {
		t.Errorf("%q, %v: want the one field", into.Name, err)
	}
	if err := Peek([]byte("{\n\"name\"}"), &into); err == nil || !strings.HasPrefix(err.Error(), "line 2, column 7: ") {
		t.Errorf("%v names another place", err)
	}
}
