// What JupyterLab lacks for Tokenfuse, as an extension that needs no building: the container that module
// federation expects, by hand. snippets.json beside it is what Visual Studio Code is given.
(() => {
  const home = document.currentScript.src;
  let shared;

  // module is one of JupyterLab's own, as it is loaded: tokens are compared by identity.
  const module = async name => (await Object.values(shared[name])[0].get())();

  // Pictures are shown without an alternative text, though the output has one: what a terminal shows.
  const alternatives = registry => ({
    id: "tokenfuse:alternatives", autoStart: true, requires: [registry],
    activate: (app, rendermime) => {
      for (const type of ["image/png", "image/gif"]) {
        const plain = rendermime.getFactory(type);
        rendermime.addFactory({...plain, mimeTypes: [type], createRenderer: options => {
          const renderer = plain.createRenderer(options);
          const render = renderer.renderModel.bind(renderer);
          renderer.renderModel = async model => {
            await render(model);
            const image = renderer.node.querySelector("img");
            if (image) image.alt = model.metadata.alt ?? model.data["text/plain"] ?? "";
          };
          return renderer;
        }}, rendermime.getRank?.(type));
      }
    },
  });

  // A snippet is completed by Tab from how its name begins: tf-.
  const snippets = manager => ({
    id: "tokenfuse:snippets", autoStart: true, requires: [manager],
    activate: async (app, completion) => {
      const all = Object.values(await (await fetch(new URL("snippets.json", home))).json());
      const begun = ({text, offset}) => text.slice(0, offset).match(/(?<![\w-])tf-?[a-z]*$/)?.[0];
      completion.registerProvider({
        identifier: "tokenfuse:snippets", rank: 600, renderer: null,
        isApplicable: async () => true,
        fetch: async request => ({
          start: request.offset - (begun(request)?.length ?? 0), end: request.offset,
          items: begun(request) === undefined ? [] : all.map(({prefix, description, body}) => ({
            label: prefix, type: "snippet", documentation: description,
            insertText: body.join("\n").replace(/\$\{\d+:([^}]*)\}/g, "$1"),
          })),
        }),
      });
    },
  });

  // GoNB completes by gopls. A cell that ends in a dot, or within a bracket, is no Go, and gopls guesses: no fields,
  // names twice, those of tests. So it is asked about the cell with its line finished.
  const finished = (text, offset) => {
    const characters = [...text];
    const before = characters.slice(0, offset).join(""), after = characters.slice(offset).join("");
    const [rest] = after.split("\n", 1);
    let open = "";
    for (const c of before.slice(before.lastIndexOf("\n") + 1) + rest) {
      if (c === "(" || c === "[") open = (c === "(" ? ")" : "]") + open;
      else if (c === ")" || c === "]") open = open.slice(1);
    }
    const name = before.endsWith(".") && !/^\w/.test(rest) ? "_" : "";
    return before + name + rest + open + after.slice(rest.length);
  };

  const selectors = manager => ({
    id: "tokenfuse:selectors", autoStart: true, requires: [manager],
    activate: (app, completion) => void app.started.then(() => {
      const kernel = completion.getProviders().get("CompletionProvider:kernel");
      const fetch = kernel.fetch.bind(kernel);
      kernel.fetch = async (request, context) => {
        if (context.session?.kernel?.name !== "tokenfuse") return fetch(request, context);
        const reply = await fetch({...request, text: finished(request.text, request.offset)}, context);
        const names = new Set(reply.items.map(item => item.label).filter(name => !/^(Test|Fuzz|Example|Benchmark)[A-Z_]/.test(name)));
        return {...reply, items: [...names].map(label => ({label}))};
      };
    }),
  });

  // gopls loads the library for seconds when it is first asked. GoNB asks it no sooner than 12 seconds after a kernel
  // has started, and waits for 8, with the cells behind. So it is asked ahead of the user, while no cell runs.
  const library = `import (\n"tokenfuse/lib/ablation"\n"tokenfuse/lib/notebook"\n"tokenfuse/plots"\n)\n%%\nplots._`;
  const warming = tracker => ({
    id: "tokenfuse:warming", autoStart: true, requires: [tracker],
    activate: (app, notebooks) => void notebooks.widgetAdded.connect((_, {sessionContext}) => {
      let timer;
      sessionContext.connectionStatusChanged.connect((_, connection) => {
        const kernel = sessionContext.session?.kernel;
        if (connection !== "connected" || kernel?.name !== "tokenfuse") return;
        const ask = () => {
          if (kernel.isDisposed) return;
          if (kernel.status !== "idle") timer = setTimeout(ask, 1_000);
          else kernel.requestComplete({code: library, cursor_pos: library.length - 1}).catch(() => {});
        };
        clearTimeout(timer); // of the process before a restart
        timer = setTimeout(ask, 12_500);
      });
    }),
  });

  (window._JUPYTERLAB ??= {}).tokenfuse = {
    init: scope => { shared = scope; },
    get: async () => {
      const {IRenderMimeRegistry} = await module("@jupyterlab/rendermime");
      const {ICompletionProviderManager} = await module("@jupyterlab/completer");
      const {INotebookTracker} = await module("@jupyterlab/notebook");
      return () => ({__esModule: true, default: [
        alternatives(IRenderMimeRegistry), snippets(ICompletionProviderManager), selectors(ICompletionProviderManager),
        warming(INotebookTracker),
      ]});
    },
  };
})();
