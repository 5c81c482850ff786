// A text box and, below it, what Python made of the text. A token and its row, which carry the
// same data-t, are marked together: under the mouse, or with the arrow keys. Enter picks a token.

const PAUSE = 120; // milliseconds without a keystroke until the text is sent

function render({ model, el }) {
  el.classList.add("course-token-view");
  el.dataset.lmSuppressShortcuts = "true"; // letters typed here are no commands of JupyterLab

  const label = document.createElement("label");
  const box = document.createElement("textarea");
  box.rows = 4;
  box.spellcheck = false;
  box.value = model.get("text");
  label.append(model.get("label"), box);
  const view = document.createElement("div");
  el.append(label, view);

  let waiting = null;
  const send = () => {
    waiting = null;
    model.set("text", wellFormed(box.value));
    model.save_changes();
  };
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(send, PAUSE);
  });
  model.on("change:text", () => {
    if (waiting === null && box.value !== model.get("text")) box.value = model.get("text");
  });

  const show = () => {
    view.innerHTML = model.get("content"); // escaped in Python; scripts in it would not run
    for (const part of view.children) {
      const items = part.querySelectorAll("[data-t]");
      items.forEach((item) => (item.tabIndex = -1));
      if (items.length) items[0].tabIndex = 0; // one stop of the Tab key, arrows from there
    }
    endWithRows(view);
  };
  model.on("change:content", show);
  show();
  let width = 0;
  const resized = new ResizeObserver(() => {
    if (width !== view.clientWidth) endWithRows(view);
    width = view.clientWidth;
  });
  resized.observe(view);

  const item = (event) => event.target.closest("[data-t]");
  const pick = (number) => {
    model.set("picked", Number(number));
    model.save_changes();
  };
  view.addEventListener("mouseover", (event) => item(event) && mark(view, item(event)));
  view.addEventListener("focusin", (event) => item(event) && mark(view, item(event)));
  view.addEventListener("click", (event) => {
    if (item(event)) {
      item(event).focus();
      pick(item(event).dataset.t);
    }
  });
  view.addEventListener("keydown", (event) => {
    const here = item(event);
    if (!here) return;
    const next = step(view, here, event.key);
    if (next) {
      here.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      pick(here.dataset.t);
    } else {
      return;
    }
    event.preventDefault();
  });
  return () => {
    clearTimeout(waiting);
    resized.disconnect();
  };
}

// A table that is too long for its box ends with a whole row; the rest is scrolled to.
function endWithRows(view) {
  for (const part of view.children) {
    part.style.maxHeight = "";
    const { top } = part.getBoundingClientRect();
    const ends = [...part.querySelectorAll("tr")].map((row) => row.getBoundingClientRect().bottom - top);
    const whole = ends.filter((end) => end + part.scrollTop <= part.clientHeight);
    const bar = part.offsetHeight - part.clientHeight; // to scroll sideways
    if (whole.length && whole.length < ends.length)
      part.style.maxHeight = `${Math.max(...whole) + part.scrollTop + bar}px`;
  }
}

// A lone half of a character cannot be sent as UTF-8.
function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

function mark(view, item) {
  view.querySelectorAll(".course-marked").forEach((old) => old.classList.remove("course-marked"));
  for (const part of view.children) {
    const twin = part.querySelector(`[data-t="${item.dataset.t}"]`);
    if (!twin) continue;
    twin.classList.add("course-marked");
    if (part.contains(item)) continue;
    // Bring it into sight within its own box; scrollIntoView would move the page, too.
    const [outer, inner] = [part.getBoundingClientRect(), twin.getBoundingClientRect()];
    const top = outer.top + (part.querySelector("thead")?.offsetHeight ?? 0); // it stays in place
    if (inner.top < top) part.scrollTop -= top - inner.top;
    if (inner.bottom > outer.bottom) part.scrollTop += inner.bottom - outer.bottom;
  }
}

// The token or row that an arrow key leads to, in the same part of the view.
function step(view, here, key) {
  const items = [...[...view.children].find((part) => part.contains(here)).querySelectorAll("[data-t]")];
  const last = items.length - 1;
  const at = items.indexOf(here);
  const targets = {
    ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last,
  };
  return key in targets ? items[Math.min(last, Math.max(0, targets[key]))] : null;
}

export default { render };
