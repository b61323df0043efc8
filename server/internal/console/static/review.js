// The term's review by keyboard: j and k move, space confirms, x marks for correction, u takes back. Without script the ticks and buttons do the same.
(() => {
  "use strict";
  const form = document.querySelector("[data-review]");
  if (!form || !form.querySelector("button[name=state]")) return;
  const rows = [...form.querySelectorAll("[data-review-row]")], csrf = document.querySelector('meta[name="csrf"]').content, words = {};
  for (const s of document.getElementById("review-words").content.querySelectorAll("[data-key]")) words[s.dataset.key] = s.textContent;
  let at = rows.findIndex((r) => !r.querySelector(".pill.fine,.pill.soon"));
  const go = (n) => {
    if (rows[at]) rows[at].classList.remove("at");
    at = Math.max(0, Math.min(rows.length - 1, n));
    const r = rows[at];
    if (!r) return;
    r.classList.add("at");
    r.focus({ preventScroll: true });
    r.scrollIntoView({ block: "nearest" });
  };
  const mark = async (state) => {
    const r = rows[at];
    if (!r) return;
    const body = new URLSearchParams({ uid: r.dataset.reviewRow, state, note: form.querySelector("[name=note]").value });
    const res = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json", "X-Csrf-Token": csrf } }).catch(() => null);
    if (!res || !res.ok) { location.reload(); return; }
    const pill = document.createElement("span");
    pill.className = "pill " + ({ done: "fine", failed: "soon" }[state] || "");
    pill.textContent = words[state];
    r.querySelector("[data-state]").replaceChildren(pill);
    const note = form.querySelector("[name=note]"), last = r.lastElementChild;
    if (state === "failed" && note.value) {
      const small = document.createElement("small");
      small.textContent = note.value;
      pill.after(small);
    }
    last.replaceChildren();
    if (state === "failed") {
      const link = document.createElement("a");
      link.className = "btn";
      link.href = "/pupils/" + r.dataset.reviewRow;
      link.textContent = words.correct;
      last.append(link);
    }
    note.value = ""; // a remark is of one pupil
    go(at + 1);
  };
  document.addEventListener("keydown", (e) => {
    if (e.target.closest("input:not([type=checkbox]),select,textarea,dialog") || e.ctrlKey || e.metaKey || e.altKey) return;
    const act = { j: () => go(at + 1), ArrowDown: () => go(at + 1), k: () => go(at - 1), ArrowUp: () => go(at - 1), " ": () => mark("done"), x: () => mark("failed"), u: () => mark("waiting") }[e.key];
    if (!act || e.key === " " && e.target.closest("button,a,summary,input")) return;
    e.preventDefault();
    e.stopPropagation();
    act();
  }, true);
  go(Math.max(at, 0));
})();
