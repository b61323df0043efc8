// The keys on the glass type into the field that has the focus, or into the first one. They keep the case and the signs that are on now, and nothing of what was typed.
"use strict";
const glassKeys = (() => {
  let shift = false, symbols = false;
  function faces(root) {
    for (const b of root.querySelectorAll('[data-key="char"]')) b.textContent = symbols ? b.dataset.symbol : shift ? b.dataset.upper : b.dataset.lower;
    for (const b of root.querySelectorAll('[data-key="shift"]')) b.classList.toggle("on", shift);
    for (const b of root.querySelectorAll('[data-key="symbols"]')) { b.classList.toggle("on", symbols); b.textContent = symbols ? b.dataset.on : b.dataset.off; }
  }
  function put(i, text) { if (i.value.length < i.maxLength) i.setRangeText(text, i.selectionStart, i.selectionEnd, "end"); }
  return {
    reset() { shift = symbols = false; },
    // press carries out one key of root; of: the field that the keys are for.
    press(b, root, of) {
      const k = b.dataset.key;
      if (k === "shift") { shift = !shift; symbols = false; return faces(root); }
      if (k === "symbols") { symbols = !symbols; shift = false; return faces(root); }
      const a = document.activeElement, i = of || (a && a.tagName === "INPUT" ? a : root.querySelector("input:not([type=hidden])"));
      if (!i) return;
      i.focus({ preventScroll: true });
      if (k === "erase" || k === "pinerase") {
        const s = i.selectionStart, e = i.selectionEnd;
        i.setRangeText("", s === e ? Math.max(0, s - 1) : s, e, "end");
      } else if (k === "pinclear") {
        i.value = "";
      } else if (k === "digit") {
        put(i, b.dataset.value);
      } else {
        put(i, b.textContent);
        if (shift) { shift = false; faces(root); }
      }
    },
  };
})();
