// The page's whole script: shows what the server draws, sends what people do. It keeps nothing: when the line to the kiosk program breaks, the screen is emptied.
"use strict";
(() => {
  const token = document.querySelector('meta[name="kiosk-token"]').content;
  const app = document.getElementById("app"), lost = document.getElementById("lost");
  app.innerHTML = '<div id="frame"><div id="screen"></div><div id="foot"></div></div>';
  const screenEl = document.getElementById("screen"), footEl = document.getElementById("foot");
  let pressed = -1e9, later = null, rev = 0, name = "", lang = "", deadline = 0, away = false, pin = "", scan = "", scanAt = 0, touched = 0;
  // What helps one family is off again for the next: buttons low on the glass, large type, questions read out.
  let low = false, large = false, hear = false, said = "", lately = Date.now(), sound = null;
  const idle = 60000;

  function send(m) {
    m.rev = rev;
    return fetch("/act", { method: "POST", headers: { "Content-Type": "application/json", "Xueji-Kiosk": token }, body: JSON.stringify(m), cache: "no-store" })
      .then((r) => { if (r.status === 403) location.replace("/"); })
      .catch(() => {});
  }
  function touch() {
    const now = lately = Date.now();
    if (name === "home" || now - touched < 1500) return;
    touched = now;
    send({ do: "touch" });
  }

  // What was typed, scrolled and focused survives a redraw of the same question (a language switch, a wrong password).
  function draw(html, same) {
    const kept = {}, scrolls = {};
    let focus = "";
    if (same) {
      for (const i of screenEl.querySelectorAll("input")) if (!i.dataset.secret) kept[i.name] = i.value;
      for (const e of screenEl.querySelectorAll("[data-scroll]")) scrolls[e.dataset.scroll] = e.scrollTop;
      const a = document.activeElement;
      if (a && screenEl.contains(a)) focus = a.name ? `[name="${a.name}"]` : a.dataset.value ? `[data-value="${CSS.escape(a.dataset.value)}"]` : "";
    }
    screenEl.innerHTML = html;
    for (const i of screenEl.querySelectorAll("input")) if (kept[i.name]) i.value = kept[i.name];
    for (const e of screenEl.querySelectorAll("[data-scroll]")) if (scrolls[e.dataset.scroll]) e.scrollTop = scrolls[e.dataset.scroll];
    pin = ""; glassKeys.reset();
    dots();
    const empty = [...screenEl.querySelectorAll("input")].find((i) => !i.value);
    const to = (focus && screenEl.querySelector(focus)) || empty || screenEl.querySelector("input") || screenEl.querySelector("h1");
    if (empty && focus !== '[name="login"]') empty.focus({ preventScroll: true });
    else if (to) to.focus({ preventScroll: true });
  }

  function helps(h) {
    ({ low, large, hear } = h);
    for (const a of ["low", "large"]) document.documentElement.toggleAttribute("data-" + a, h[a]);
    for (const b of screenEl.querySelectorAll("[data-aid]")) b.setAttribute("aria-pressed", !!h[b.dataset.aid]);
    if (hear) return speak();
    said = "";
    hush();
  }
  const on = () => ({ low, large, hear }), off = { low: false, large: false, hear: false };
  function hush() {
    if (window.speechSynthesis) speechSynthesis.cancel();
    if (sound) sound.pause();
    sound = null;
  }
  // Only words marked for it are spoken: none of them is a pupil's.
  function speak() {
    const b = screenEl.querySelector('[data-aid="hear"]'), voice = b && b.dataset.voice;
    const text = [...screenEl.querySelectorAll("[data-say]")].map((e) => e.innerText.replace(/\s*\n\s*/g, lang === "en" ? " " : "")).join(lang === "en" ? ". " : "。");
    const what = voice || lang + text;
    if (!b || what === said) return;
    hush();
    said = what;
    if (voice) {
      sound = new Audio("/speech/" + encodeURIComponent(voice));
      sound.play().catch(() => {});
    } else if (window.speechSynthesis) {
      const u = new SpeechSynthesisUtterance(text);
      u.lang = { "zh-Hans": "zh-CN", "zh-Hant": "zh-TW" }[lang] || "en-GB";
      u.rate = 0.9;
      speechSynthesis.speak(u);
    }
  }

  // What the camera read counts as scanned (camera.js).
  document.addEventListener("scanned", (e) => { if (name === "scan") send({ do: "scan", value: e.detail }); });

  function flush() { pressed = -1e9; if (later) show(later); }
  function show(f) {
    // A program that came back has another token, and maybe another page.
    if (!lost.hidden) { location.replace("/"); return; }
    const same = f.screen === name && f.rev === rev;
    // A button must not be drawn anew under the finger that presses it: the press would be lost. What is new of the same question waits until the finger is up.
    if (same && later && !f.html) f.html = later.html; // a frame without a drawing leaves the one before it standing
    if (same && performance.now() - pressed < 1000) { later = f; setTimeout(flush, 1000); return; }
    later = null;
    rev = f.rev;
    if (f.screen !== name) scan = "";
    const left = f.screen === "home" && name !== "home" && name !== "";
    name = f.screen;
    if (f.lang !== lang) { lang = f.lang; document.documentElement.lang = lang; }
    if (f.html) draw(f.html, same);
    footEl.innerHTML = f.foot;
    document.documentElement.dataset.screen = name;
    document.documentElement.dataset.rev = rev;
    away = f.away;
    deadline = f.left > 0 ? performance.now() + f.left : 0;
    count();
    if (left) helps(off); else if (f.html) helps(on());
  }

  function count() {
    if (name === "home" && (low || large || hear) && Date.now() - lately > idle) helps(off);
    const left = deadline ? Math.max(0, Math.ceil((deadline - performance.now()) / 1000)) : 0;
    const c = footEl.querySelector(".count"), foot = footEl.querySelector("footer");
    if (c) {
      const warn = deadline > 0 && left <= 10 && !away;
      c.textContent = deadline && !away ? (warn ? c.dataset.warn : c.dataset.text).replace("{n}", left) : "";
      foot.classList.toggle("warn", warn);
    }
    const a = screenEl.querySelector(".count-away");
    if (a) a.textContent = a.dataset.text.replace("{n}", left);
  }
  setInterval(count, 250);

  function dots() {
    const d = screenEl.querySelector("[data-pin]");
    if (!d) return;
    d.textContent = "";
    for (let i = 0; i < Math.max(6, pin.length); i++) {
      const e = document.createElement("i");
      if (i < pin.length) e.className = "on";
      d.append(e);
    }
    d.setAttribute("aria-label", d.dataset.pin.replace("{n}", pin.length));
  }
  function pinKey(k) {
    if (k === "erase") pin = pin.slice(0, -1);
    else if (k === "clear") pin = "";
    else if (pin.length < Number(screenEl.querySelector("[data-pin]")?.dataset.max || 8)) pin += k;
    dots();
  }

  function submit(what) {
    if (what === "pin") { const v = pin; pin = ""; dots(); if (v) send({ do: "pin", value: v }); return; }
    const f = screenEl.querySelector(`[data-form="${what}"]`), get = (n) => f.querySelector(`[name="${n}"]`);
    if (what === "signin") {
      const m = { do: "signin", login: get("login").value, password: get("password").value };
      get("password").value = "";
      send(m);
    } else if (what === "find") {
      send({ do: "find", value: get("value").value, tail: get("tail").value });
    } else if (what === "number") {
      send({ do: "number", value: get("value").value });
    } else {
      const v = get("value").value;
      get("value").value = "";
      scan = "";
      if (v) send({ do: "scan", value: v });
    }
  }

  function typeKey(b) {
    const k = b.dataset.key;
    if (k === "digit") return pinKey(b.dataset.value);
    if (k === "pinclear") return pinKey("clear");
    if (k === "pinerase") return pinKey("erase");
    glassKeys.press(b, screenEl);
  }

  // The on-screen keys must not take the focus from the field they type into.
  for (const up of ["pointerup", "pointercancel"]) addEventListener(up, () => setTimeout(flush, 0));
  app.addEventListener("pointerdown", (e) => { pressed = performance.now(); touch(); if (e.target.closest("[data-key]")) e.preventDefault(); });
  app.addEventListener("click", (e) => {
    const b = e.target.closest("button");
    if (!b || b.disabled) return;
    if (b.dataset.key) return typeKey(b);
    if (b.dataset.aid) { const h = on(); said = ""; h[b.dataset.aid] = !h[b.dataset.aid]; return helps(h); }
    if (b.dataset.submit) return submit(b.dataset.submit);
    if (b.dataset.twice && !b.classList.contains("armed")) {
      b.classList.add("armed");
      const was = b.textContent;
      b.textContent = b.dataset.twice;
      setTimeout(() => { if (b.isConnected) { b.classList.remove("armed"); b.textContent = was; } }, 6000);
      return;
    }
    if (b.dataset.do) send({ do: b.dataset.do, value: b.dataset.value || "" });
  });
  // The staff's page begins with the help that is on here.
  app.addEventListener("click", (e) => {
    const a = e.target.closest(".staffdoor");
    if (a) a.href = "/staff?" + ["low", "large"].filter((h) => on()[h]).join("&");
  }, true);
  app.addEventListener("contextmenu", (e) => e.preventDefault());

  document.addEventListener("keydown", (e) => {
    touch();
    if (e.key === "Escape") { e.preventDefault(); send({ do: "leave" }); return; }
    if (e.ctrlKey || e.altKey || e.metaKey) return;
    const field = e.target.tagName === "INPUT";
    if (name === "pin" || name === "staffpin") {
      if (/^[0-9]$/.test(e.key)) { e.preventDefault(); return pinKey(e.key); }
      if (e.key === "Backspace") { e.preventDefault(); return pinKey("erase"); }
      if (e.key === "Enter" && pin) { e.preventDefault(); return submit("pin"); }
    }
    if (field && e.key === "Enter") {
      e.preventDefault();
      const form = e.target.closest("[data-form]"), next = [...form.querySelectorAll("input")].find((i) => !i.value);
      return next ? next.focus() : submit(form.dataset.form);
    }
    if (field || !["home", "place", "menu", "scan"].includes(name)) return;
    // A keyboard-wedge scanner types fast and ends with Enter, wherever the focus is.
    const now = Date.now();
    if (now - scanAt > 1000) scan = "";
    scanAt = now;
    if (e.key === "Enter" && scan.length >= 6) {
      e.preventDefault();
      const v = scan;
      scan = "";
      send({ do: "scan", value: v });
    } else if (e.key.length === 1 && (e.key !== " " || scan)) {
      scan = (scan + e.key).slice(0, 3000);
      if (scan.length > 1) e.preventDefault();
    }
  });

  // Nothing of a family stays on the glass when the kiosk program is gone.
  function connect() {
    const es = new EventSource("/events");
    es.addEventListener("screen", (e) => show(JSON.parse(e.data)));
    es.onerror = () => {
      deadline = 0; name = ""; helps(off); delete document.documentElement.dataset.screen; pin = ""; scan = "";
      screenEl.textContent = ""; footEl.textContent = "";
      lost.hidden = false;
      if (es.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
    };
  }
  addEventListener("pageshow", (e) => { if (e.persisted) location.replace("/"); });
  connect();
})();
