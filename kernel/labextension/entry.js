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

  (window._JUPYTERLAB ??= {}).tokenfuse = {
    init: scope => { shared = scope; },
    get: async () => {
      const {IRenderMimeRegistry} = await module("@jupyterlab/rendermime");
      const {ICompletionProviderManager} = await module("@jupyterlab/completer");
      return () => ({__esModule: true, default: [alternatives(IRenderMimeRegistry), snippets(ICompletionProviderManager)]});
    },
  };
})();
