// The staff's page: keys on the glass for a machine without a keyboard, and the way home when nobody is there any more; a touch or a key puts it off. Everything
// else of it is forms.
"use strict";
(() => {
  let idle = 0;
  const wait = () => { clearTimeout(idle); idle = setTimeout(() => location.replace("/"), 150000); };
  for (const sign of ["pointerdown", "keydown", "wheel", "touchmove"]) addEventListener(sign, wait, { passive: true });
  addEventListener("pageshow", (e) => { if (e.persisted) location.replace("/"); });
  wait();
  document.addEventListener("pointerdown", (e) => { if (e.target.closest("[data-key]")) e.preventDefault(); }); // the field keeps the focus
  document.addEventListener("click", (e) => {
    const b = e.target.closest("[data-key]");
    if (!b) return;
    e.preventDefault();
    const form = b.closest("form");
    glassKeys.press(b, form, form.querySelector("[name=pin]"));
  });
})();
