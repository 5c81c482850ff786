// What a panel needs of the page and no widget offers: names of sliders for those who do not see
// them, the focus of a button that was disabled under it, and the notebook's own cells.

const OTHERS_FIRST = 1000; // milliseconds

function render({ model, el }) {
  const ended = new AbortController();
  const begin = () => {
    if (ended.signal.aborted) return;
    const panel = el.closest(".course-panel");
    if (!panel) return requestAnimationFrame(begin); // it is not on the page yet
    nameSliders(panel);
    const observer = new MutationObserver(() => nameSliders(panel));
    observer.observe(panel, { childList: true, subtree: true });
    ended.signal.addEventListener("abort", () => observer.disconnect());
    keepFocus(panel, ended.signal);
    if (parametersCell(el)) {
      model.set("writes", true);
      model.save_changes();
    }
  };
  // Python asks for the text of the cell, and then for another text in its place. It takes the first
  // answer with its number: a panel may stand on the page twice, and without the cell beside it.
  const asked = (message) => {
    const cell = parametersCell(el);
    const answer = (said) => model.send({ number: message.number, ...said });
    if (!cell) {
      const none = { problem: "This notebook has no cell parameters." };
      return setTimeout(() => answer(none), OTHERS_FIRST);
    }
    if (!("text" in message)) return answer({ text: cell.getSource() });
    if (cell.getSource() === message.instead_of) cell.setSource(message.text);
    const is_there = cell.getSource() === message.text;
    answer({ problem: is_there ? "" : "The cell was changed meanwhile." });
  };
  model.on("msg:custom", asked);
  begin();
  return () => {
    model.off("msg:custom", asked);
    ended.abort();
  };
}

// The visible name of a slider, which ipywidgets puts beside it only, and that of a field with it.
function nameSliders(panel) {
  for (const slider of panel.querySelectorAll(".widget-slider")) {
    const name = slider.querySelector(".widget-label")?.textContent;
    const field = slider.closest(".course-slider")?.querySelector("input[type=text]");
    field?.setAttribute("aria-label", name);
    for (const handle of slider.querySelectorAll("[role=slider]"))
      handle.setAttribute("aria-label", field ? `${name} (slider)` : name);
  }
}

// A button that is disabled while it has the focus loses it, and with it the place on the page: a
// neighbour takes it over, once one can be pressed. Whoever has gone elsewhere stays there.
function keepFocus(panel, signal) {
  let here = null; // what had the focus last
  const observer = new MutationObserver(() => {
    const is_lost = [document.body, null, here].includes(document.activeElement);
    if (here?.disabled && is_lost) here.parentElement.querySelector("button:not(:disabled)")?.focus();
  });
  panel.addEventListener("focusin", (event) => (here = event.target), { signal });
  observer.observe(panel, { attributes: true, attributeFilter: ["disabled"], subtree: true });
  signal.addEventListener("abort", () => observer.disconnect());
}

// The cell that is tagged so in the notebook where the panel stands: JupyterLab's own model of it,
// which is there where it shows itself to pages (LabApp.expose_app_in_browser).
function parametersCell(el) {
  for (const widget of window.jupyterapp?.shell.widgets("main") ?? []) {
    if (!widget.node.contains(el)) continue;
    for (const cell of widget.content?.widgets ?? []) {
      if (cell.model?.getMetadata?.("tags")?.includes("parameters")) return cell.model.sharedModel;
    }
  }
  return null;
}

export default { render };
