// Pupils' cards are laid on the station's reader one after the other: each is read, the register says whether it is behind, and the issuer writes it anew through cardsvc. No key
// passes through here.
(() => {
  "use strict";
  const root = document.getElementById("rewrite");
  if (!root) return;
  const $ = (s) => root.querySelector(s);
  const station = root.dataset.station.replace(/\/$/, "");
  const words = {};
  for (const s of document.getElementById("issue-words").content.querySelectorAll("[data-key]")) words[s.dataset.key] = s.textContent;
  const say = (key, vars = {}) => Object.entries(vars).reduce((t, [k, v]) => t.replaceAll("{" + k + "}", v), words[key] || key);
  const csrf = document.querySelector('meta[name="csrf"]').content;

  let online = false, trustAt = 0, busy = false, done = 0;
  let used = "";          // reader and tap that were served
  let card = null;        // what the register said of the card that lies there
  const readers = new Map();

  const ours = async (url, body) => {
    const r = await fetch(url, { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers: { Accept: "application/json", "Content-Type": "application/json", "X-Csrf-Token": csrf } });
    const d = await r.json().catch(() => ({}));
    if (!r.ok) throw Object.assign(new Error(d.title || say("issue.fail.server")), { help: d.help || "" });
    return d;
  };
  const theirs = async (path, body, method = "POST") => {
    const r = await fetch(station + path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const d = await r.json().catch(() => ({}));
    return r.ok ? d : { ...d, ok: false, code: d.code || "internal" };
  };
  const trust = async () => {
    if (Date.now() - trustAt < 10 * 60 * 1000) return;
    try { await theirs("/v1/trust", await ours("/cards/trust"), "PUT"); trustAt = Date.now(); } catch { /* asked again at the next connection */ }
  };

  const show = (tone, title, help = "") => {
    $(".stage").dataset.tone = tone;
    $("[data-say]").textContent = title;
    $("[data-help-text]").textContent = help;
    $("[data-who]").textContent = card ? card.name : "";
    $("[data-sub]").textContent = card ? card.card_no : "";
  };
  const button = (name, on) => { $('[data-act="' + name + '"]').hidden = !on; };
  const active = () => [...readers.values()].find((r) => r.state === "card") || [...readers.values()].find((r) => r.state !== "gone" && r.state !== "empty") || [...readers.values()].find((r) => r.state !== "gone");

  // settle shows what stands on the reader, and begins with a card that was not served yet.
  const settle = () => {
    if (busy) return;
    const r = active();
    $("[data-reader]").textContent = r ? r.name : "";
    $(".stage").classList.toggle("on", !!r && r.state !== "empty");
    if (r && r.state === "card" && online) {
      if (r.id + " " + r.tap !== used) serve(r, false);
      return; // served: what was said stands until the card leaves
    }
    card = null;
    button("again", false); button("ask", false);
    $("[data-progress]").hidden = true;
    if (!online) return show("bad", say("issue.offline"), say("issue.offline_help", { url: station }));
    if (!r) return show("bad", say("issue.no_reader"), say("issue.no_reader_help"));
    if (words["issue." + r.state]) return show("bad", say("issue." + r.state), say("issue." + r.state + "_help"));
    show("ready", say("rewrite.put"), say("rewrite.put_help"));
  };

  const serve = async (r, ask) => {
    busy = true;
    used = r.id + " " + r.tap;
    card = null;
    button("again", false); button("ask", false);
    show("work", say("rewrite.reading"), say("issue.working_help"));
    const bad = (title, help, again = true) => { show("bad", title, help); button("again", again); };
    try {
      const tap = await theirs("/v1/readers/" + encodeURIComponent(r.id) + "/tap", {});
      if (tap.ok === false) bad(say("issue.fail_title"), words["issue.fail." + tap.code] || say("issue.fail.internal"));
      else if (!tap.record) bad(say("rewrite.blank"), say("rewrite.blank_help"), false);
      else {
        const t = card = await ours("/cards/rewrite", { record: tap.record, chip_serial: tap.chip_serial, ask });
        if (!t.ticket) { show("ok", say("rewrite.fine", { name: t.name }), say("rewrite.fine_help")); button("ask", true); }
        else {
          const bar = $("[data-progress]");
          bar.hidden = false; bar.removeAttribute("value");
          show("work", say("issue.working"), say("issue.working_help"));
          const out = await theirs("/v1/readers/" + encodeURIComponent(r.id) + "/relay", { ticket: t.ticket });
          bar.hidden = true;
          if (out.ok) {
            const li = document.createElement("li"), n = document.createElement("span"), s = document.createElement("small");
            n.className = "name"; n.textContent = t.name; s.textContent = t.card_no; li.append(n, s);
            $("[data-list]").prepend(li);
            $("[data-n]").textContent = ++done;
            $("[data-none]").hidden = true;
            show("ok", say("rewrite.done", { name: t.name }), say("rewrite.done_help"));
          } else if (out.code === "gone") bad(say("rewrite.gone"), say("rewrite.gone_help", { name: t.name }), false);
          else bad(say("issue.fail_title"), words["issue.fail." + out.code] || say("issue.fail.internal"));
        }
      }
    } catch (e) {
      bad(say("issue.fail_title"), [e.message, e.help].filter(Boolean).join(" "));
    }
    busy = false;
    const now = readers.get(r.id);
    if (now && now.state === "card" && now.tap !== r.tap) settle(); // another was laid meanwhile
  };

  root.addEventListener("click", (e) => {
    const b = e.target.closest("[data-act]"), r = active();
    if (b && r && r.state === "card" && !busy) serve(r, b.dataset.act === "ask");
  });
  const es = new EventSource(station + "/v1/events");
  es.onopen = () => { online = true; trust(); settle(); };
  es.onerror = () => { online = false; settle(); };
  es.addEventListener("reader", (e) => {
    const r = JSON.parse(e.data), was = readers.get(r.id);
    readers.set(r.id, r);
    // What was said of a card stands until the next is laid or the reader is free: a card that left too early is asked for.
    if (was && was.state === "card" && r.state === "empty" && !busy && $(".stage").dataset.tone === "bad" && card) return;
    settle();
  });
  es.addEventListener("relay", (e) => {
    const p = JSON.parse(e.data);
    if (!busy) return;
    const bar = $("[data-progress]");
    if (p.total > 0) { bar.max = p.total; bar.value = p.done; }
    if (words["issue.step." + p.step]) $("[data-say]").textContent = words["issue.step." + p.step];
  });
  addEventListener("pagehide", () => es.close());
  settle();
})();
