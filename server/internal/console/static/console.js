// The console's script: keyboard, search as you type, live lists, uploads with progress. Every page works without it.
(() => {
  "use strict";
  const $ = (s, el = document) => el.querySelector(s);
  const $$ = (s, el = document) => [...el.querySelectorAll(s)];
  const body = document.body;
  const say = (name) => body.dataset["say" + name] || "";
  const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) && !/^(checkbox|radio|button|submit)$/.test(el.type));
  const json = { headers: { Accept: "application/json" } };
  const csrf = () => $('meta[name="csrf"]').content;

  // ---- rows: current row, j/k, x, Enter ----
  let cur = null;
  const rows = () => $$("[data-rows] tbody tr[data-href]");
  const setCur = (tr, scroll = true) => {
    if (cur) cur.classList.remove("cur");
    cur = tr || null;
    if (!cur) return;
    cur.classList.add("cur");
    if (scroll) cur.scrollIntoView({ block: "nearest" });
    const a = $("a", cur);
    if (a) a.focus({ preventScroll: true });
  };
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const i = cur ? all.indexOf(cur) : -1;
    setCur(all[Math.max(0, Math.min(all.length - 1, i < 0 ? (by > 0 ? 0 : all.length - 1) : i + by))]);
  };
  const box = (tr) => tr && $('input[name="ref"]', tr);
  const mark = () => {
    let n = 0;
    for (const b of $$('input[name="ref"]')) {
      const tr = b.closest("tr");
      if (tr) tr.classList.toggle("sel", b.checked);
      if (b.checked) n += Number(b.dataset.n || 1);
    }
    const accept = $("[data-accept]"), refuse = $("[data-refuse]");
    if (accept) {
      accept.disabled = refuse.disabled = n === 0;
      accept.dataset.plain = accept.dataset.plain || accept.textContent;
      accept.textContent = n ? accept.dataset.say.replace("{n}", n) : accept.dataset.plain;
    }
    for (const all of $$("[data-all]")) {
      const bs = $$('input[name="ref"]', all.form || document), on = bs.filter((b) => b.checked).length;
      all.checked = on > 0 && on === bs.length;
      all.indeterminate = on > 0 && on < bs.length;
    }
    return n;
  };
  document.addEventListener("change", (e) => {
    if (e.target.matches("[data-all]")) for (const b of $$('input[name="ref"]', e.target.form || document)) b.checked = e.target.checked;
    if (e.target.matches('[data-all],input[name="ref"]')) mark();
    if (e.target.matches("[data-auto]")) e.target.form.requestSubmit();
  });
  document.addEventListener("input", async (e) => { // one school or place of many is found by its name
    const f = e.target;
    if (!f.matches("[data-schools],[data-find-in]")) return;
    const typed = f.value, where = f.dataset.findIn; // what is typed of a child stands in no address
    const r = where ? await fetch(where, { method: "POST", body: new URLSearchParams({ csrf: csrf(), q: typed }), ...json }) : await fetch(`/schools?q=${encodeURIComponent(typed)}&offices=${f.dataset.schools}`);
    if (!r.ok || f.value !== typed) return;
    const id = f.getAttribute("list"), list = document.getElementById(id) || document.body.appendChild(document.createElement("datalist"));
    list.id = id;
    list.replaceChildren(...(await r.json()).map((s) => new Option(s, s)));
  });
  document.addEventListener("click", (e) => {
    const repair = e.target.closest("[data-repair]");
    if (repair) { const f = document.getElementById(repair.dataset.repair); f.value = repair.textContent; f.focus(); return; }
    if (e.target.closest("[data-print]")) { window.print(); return; }
    const tr = e.target.closest("[data-rows] tr[data-href]");
    if (!tr || e.target.closest("a,button,input,select,label,summary,form .pop")) return;
    if (String(getSelection())) return;
    if (e.target.closest("td.tick")) { const b = box(tr); if (b) { b.checked = !b.checked; mark(); } return; }
    location.href = tr.dataset.href;
  });

  // ---- approving many asks once ----
  let sure = false;
  const accept = () => {
    const b = $("[data-accept]");
    if (!b) return;
    if (mark() === 0 && cur && box(cur)) { box(cur).checked = true; mark(); }
    const n = mark();
    if (!n) return;
    const d = document.createElement("dialog");
    const h = document.createElement("h2"), names = document.createElement("p"), bar = document.createElement("p");
    const ok = document.createElement("button"), no = document.createElement("button");
    h.textContent = b.dataset.ask.replace("{n}", n);
    names.className = "people";
    const chosen = $$('input[name="ref"]:checked');
    for (const x of [...chosen.slice(0, 12).map((x) => x.getAttribute("aria-label")), ...(chosen.length > 12 ? ["… +" + (chosen.length - 12)] : [])]) { const s = document.createElement("span"); s.textContent = x; names.append(s); }
    bar.className = "bar"; ok.className = "btn pri"; no.className = "btn"; ok.textContent = b.dataset.ok; no.textContent = b.dataset.cancel;
    ok.onclick = () => { sure = true; d.close(); $("#tasks").requestSubmit(b); };
    no.onclick = () => d.close();
    d.onclose = () => d.remove();
    bar.append(no, ok); d.append(h, names, bar); body.append(d); d.showModal(); ok.focus();
  };
  document.addEventListener("submit", (e) => {
    if (e.submitter && e.submitter.matches("[data-accept]") && !sure) { e.preventDefault(); accept(); return; }
    sure = false;
    if (e.target.dataset.once !== undefined) e.preventDefault();
    if (e.target.method === "post" && !e.defaultPrevented && !e.target.matches("[data-find]")) { // one press, one act
      e.target.dataset.once = "";
      setTimeout(() => delete e.target.dataset.once, 8000);
    }
  });

  // ---- keyboard ----
  let g = 0;
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      if (document.activeElement && typing(document.activeElement)) document.activeElement.blur();
      closeSuggest(); setCur(null);
      if (location.hash === "#menu") location.hash = "main";
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || typing(e.target) || $("dialog[open]")) return;
    if (g && Date.now() - g < 1500) {
      g = 0;
      const a = $('[data-go="' + CSS.escape(e.key) + '"]');
      if (a) { e.preventDefault(); location.href = a.href; return; }
    }
    const act = {
      "/": () => { const q = $("[data-search]") || $("#q"); if (q) { q.focus(); q.select(); } },
      "?": () => { const a = $("[data-help]"); if (a) location.href = a.href; },
      g: () => { g = Date.now(); },
      j: () => step(1), k: () => step(-1),
      x: () => { const b = box(cur); if (b) { b.checked = !b.checked; mark(); } },
      X: () => { const a = $("[data-all]"); if (a) a.click(); },
      a: () => { const one = $("[data-accept-one]"); if (one) one.focus(); else accept(); },
      r: () => {
        const one = $("[data-refuse-one]"), many = $("[data-refuse]");
        if (one) { one.open = true; $("input,button", one.querySelector("form")).focus(); $('input[type=radio]', one).focus(); }
        else if (many) { if (mark() === 0 && cur && box(cur)) { box(cur).checked = true; mark(); } if (!many.disabled) $("#tasks").requestSubmit(many); }
      },
      p: () => { const a = $(".acts a[target=_blank]"); if (a) a.click(); else window.print(); },
      Enter: () => { if (cur && (document.activeElement === body || cur.contains(document.activeElement) && document.activeElement.tagName !== "INPUT")) location.href = cur.dataset.href; else return false; },
    }[e.key];
    if (act && act() !== false) e.preventDefault();
  });
  for (const b of $$("[data-print]")) b.hidden = false;

  // ---- search as you type ----
  const later = (ms, f) => { let t; return (...a) => { clearTimeout(t); t = setTimeout(() => f(...a), ms); }; };
  const q = $("#q"), list = $("#suggest");
  let pick = -1, asked = 0; // asked: only the newest question's answer is shown
  function closeSuggest() { asked++; if (list && !list.hidden) { list.hidden = true; q.setAttribute("aria-expanded", "false"); q.removeAttribute("aria-activedescendant"); pick = -1; } }
  if (q) {
    const ask = later(120, async () => {
      const text = q.value.trim();
      if (!text) { closeSuggest(); return; }
      const mine = ++asked;
      try {
        const r = await fetch("/pupils/suggest", { method: "POST", body: new URLSearchParams({ csrf: csrf(), q: text }), ...json });
        const d = r.ok && await r.json();
        if (!d || mine !== asked || document.activeElement !== q) return;
        list.replaceChildren(...d.rows.map((x, i) => {
          const a = document.createElement("a"), b = document.createElement("b"), s = document.createElement("small");
          a.href = x.href; a.id = "s" + i; a.tabIndex = -1; a.setAttribute("role", "option"); a.setAttribute("aria-selected", "false"); a.classList.toggle("unit", !!x.unit);
          b.textContent = x.name; s.textContent = x.sub; a.append(b, s);
          return a;
        }));
        const people = d.rows.filter((x) => !x.unit).length;
        if (!people || d.more) {
          const p = document.createElement("p");
          p.className = "soft"; p.textContent = people ? say("More").replace("{n}", d.total) : say("None");
          if (people || !d.rows.length) list.append(p);
        }
        list.hidden = false; pick = -1; q.setAttribute("aria-expanded", "true"); q.removeAttribute("aria-activedescendant");
      } catch { /* the live line says that the server is out of reach */ }
    });
    q.addEventListener("input", () => { asked++; ask(); });
    q.addEventListener("keydown", (e) => {
      const as = $$("a", list);
      if (e.isComposing || list.hidden || !as.length) return;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        pick = e.key === "ArrowDown" ? (pick + 1) % as.length : (pick <= 0 ? as.length : pick) - 1;
        as.forEach((a, i) => a.setAttribute("aria-selected", i === pick));
        q.setAttribute("aria-activedescendant", as[pick].id);
      } else if (e.key === "Enter" && pick >= 0) { e.preventDefault(); location.href = as[pick].href; }
    });
    document.addEventListener("click", (e) => { if (!e.target.closest(".search")) closeSuggest(); });
  }

  // ---- parts of a page fetched again ----
  const swap = async (url, push, form) => {
    const r = await fetch(url, { headers: { Accept: "text/html" }, ...form && { method: "POST", body: form } });
    if (!r.ok || r.redirected && (!form || new URL(r.url).pathname !== url)) return;
    const doc = new DOMParser().parseFromString(await r.text(), "text/html");
    const ticked = new Set($$('input[name="ref"]:checked').map((b) => b.value));
    const at = cur && cur.dataset.href;
    for (const part of $$("[data-swap]")) {
      const fresh = $('[data-swap="' + part.dataset.swap + '"]', doc);
      const was = $("input[name=seen]", part), is = fresh && $("input[name=seen]", fresh);
      if (was && is && was.value === is.value) continue; // the same version of the record: what stands here, and what is typed into it, stays
      if (fresh && !part.contains(document.activeElement && typing(document.activeElement) ? document.activeElement : null)) part.replaceWith(fresh);
    }
    for (const b of $$('input[name="ref"]')) b.checked = ticked.has(b.value);
    cur = null;
    if (at) setCur(rows().find((tr) => tr.dataset.href === at), false);
    mark();
    body.dataset.shown = doc.body.dataset.shown || body.dataset.shown;
    if (push) history.replaceState(null, "", r.url);
  };
  const filters = $("[data-filters]");
  if (filters) {
    const go = () => {
      swap(filters.getAttribute("action"), true, new URLSearchParams(new FormData(filters))).catch(() => {});
    };
    filters.addEventListener("input", later(160, (e) => { if (e.target.matches("[data-search]")) go(); }));
    filters.addEventListener("change", (e) => { if (e.target.matches("select[name=grade],select[name=school]")) filters.requestSubmit(); else if (!e.target.matches("[data-search]")) go(); });
  }

  // ---- a form that came back: the first item to mend has the focus ----
  const back = $("main .problem");
  const mend = back && ($("main .field.bad :is(input,select,textarea)") || back.dataset.field && $(`main [name="${CSS.escape(back.dataset.field)}"]:not([type=hidden])`));
  if (mend) mend.focus();

  // ---- live: the unit's notices ----
  if (body.hasAttribute("data-live")) {
    const counts = $$("[data-count]"), lost = $("#lost");
    const number = async () => {
      if (!counts.length) return;
      try {
        const r = await fetch("/todo/count", json);
        if (r.ok) { const d = await r.json(); for (const i of counts) { i.textContent = d.mine || ""; i.classList.toggle("why", d.overdue > 0); } return d.mine; }
      } catch { /* said below */ }
    };
    const refresh = later(250, () => {
      number();
      const posted = $("main .problem");
      if ($("[data-swap]") && !$("[data-import]") && !posted) swap(location.href, false).catch(() => {});
    });
    number();
    const es = new EventSource("/events?since=" + body.dataset.shown);
    for (const what of ["tasks", "start_transfer", "completed", "refused", "withdrawn", "archive_called", "archive_missing", "import", "card"]) es.addEventListener(what, refresh);
    es.onmessage = refresh;
    let gone;
    // Whose session is over sees the sign-in page, not the pupils of before; so does whoever left the page open while the server was out of reach for half an hour.
    const leave = () => { $("main").replaceChildren(); location.replace(location.href); };
    let blank;
    es.onerror = () => {
      gone = gone || setTimeout(() => { lost.textContent = say("Lost"); lost.hidden = false; }, 3000);
      blank = blank || setTimeout(leave, 30 * 60e3);
      if (es.readyState === EventSource.CLOSED) fetch("/todo/count", json).then((r) => { if (r.status === 401) leave(); }, () => {});
    };
    es.onopen = () => {
      clearTimeout(gone);
      clearTimeout(blank);
      gone = blank = 0;
      if (!lost.hidden) { lost.textContent = say("Back"); setTimeout(() => { lost.hidden = true; }, 2500); refresh(); return; }
      number().then((n) => { // something may have come between the page and this connection
        const list = $("[data-mine]");
        if (list && n !== undefined && Number(list.dataset.mine) !== n) refresh();
      });
    };
    addEventListener("pagehide", () => es.close());
  }

  // ---- workbook: drop or pick, with progress ----
  const drop = $("[data-drop]");
  if (drop) {
    const input = $("input[type=file]", drop), up = $(".upload", drop), bad = $("[role=alert]", drop), bar = $("progress", up), note = $("span", up);
    $("[data-pick]", drop).hidden = false; input.classList.add("hide"); $("button", drop).hidden = true;
    const send = (file) => {
      if (!file) return;
      const f = new FormData();
      f.append("csrf", $('[name="csrf"]', drop).value);
      f.append("workbook", file);
      const x = new XMLHttpRequest();
      up.hidden = false; bad.hidden = true;
      x.upload.onprogress = (e) => { if (e.lengthComputable) { bar.value = 100 * e.loaded / e.total; note.textContent = drop.dataset.sending.replace("{pct}", Math.round(bar.value)); } };
      x.upload.onload = () => { bar.removeAttribute("value"); note.textContent = drop.dataset.checking; };
      x.onload = () => {
        let d = {};
        try { d = JSON.parse(x.responseText); } catch { /* a page: shown below */ }
        if (d.href) { location.href = d.href; return; }
        up.hidden = true; bad.hidden = false;
        bad.textContent = [d.title || drop.dataset.lost, d.help].filter(Boolean).join(" ");
        input.value = "";
      };
      x.onerror = () => { up.hidden = true; bad.hidden = false; bad.textContent = drop.dataset.lost; };
      x.open("POST", drop.getAttribute("action"));
      x.setRequestHeader("Accept", "application/json");
      x.send(f);
    };
    drop.addEventListener("submit", (e) => { e.preventDefault(); delete drop.dataset.once; send(input.files[0]); });
    input.addEventListener("change", () => send(input.files[0]));
    for (const t of ["dragover", "dragleave", "drop"]) drop.addEventListener(t, (e) => {
      e.preventDefault();
      drop.classList.toggle("over", t === "dragover");
      if (t === "drop") send(e.dataTransfer.files[0]);
    });
  }

  // ---- import: progress by asking ----
  const run = $("[data-import]");
  if (run && run.dataset.import) {
    const put = (name, v) => { const el = $("[data-" + name + "]", run); if (el) el.textContent = v; };
    const poll = async () => {
      try {
        const r = await fetch(run.dataset.import, json);
        if (r.ok) {
          const d = await r.json();
          if (!d.running) { location.reload(); return; }
          for (const n of ["done", "total", "good", "bad", "stage"]) put(n, d[n]);
          $("[data-bar]", run).value = d.percent;
        }
      } catch { /* asks again */ }
      setTimeout(poll, 700);
    };
    setTimeout(poll, 400);
  }

  // ---- archive catalogue: more rows without a round trip ----
  const cat = $("[data-catalogue]");
  if (cat) cat.addEventListener("click", (e) => {
    if (!e.target.closest("[data-more]")) return;
    e.preventDefault();
    const tb = $("tbody", cat), n = $('[name="rows"]', cat);
    for (let i = 0; i < 5; i++) {
      const tr = tb.lastElementChild.cloneNode(true), at = Number(n.value);
      for (const f of $$("[name]", tr)) { f.name = f.name.replace(/\.\d+$/, "." + at); if (f.type === "checkbox") f.checked = false; else if (f.tagName === "INPUT") f.value = ""; }
      tr.classList.remove("bad");
      tr.firstElementChild.textContent = at + 1;
      n.value = at + 1;
      tb.append(tr);
    }
    $('input[name^="title."]', tb.children[tb.children.length - 5]).focus();
  });
  mark();
})();
