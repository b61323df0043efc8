// What the pages over a station's readers have in common: their words, the two they talk to (this server, and the station's cardsvc on the loopback), the readers as the
// station tells them, and how a stage is filled. A page's own script comes after this one.
const xjStation = (id, list) => {
  "use strict";
  const root = document.getElementById(id);
  if (!root) return null;
  const url = root.dataset.station.replace(/\/$/, ""), csrf = document.querySelector('meta[name="csrf"]').content;
  const words = {}, readers = new Map();
  for (const s of document.getElementById(list).content.querySelectorAll("[data-key]")) words[s.dataset.key] = s.textContent;
  const say = (key, vars = {}) => Object.entries(vars).reduce((t, [k, v]) => t.replaceAll("{" + k + "}", v), words[key] || key);
  let trustAt = 0;

  const ours = async (path, body, init = {}) => {
    if (body) init = { method: "POST", body: JSON.stringify(body), ...init };
    const r = await fetch(path, { ...init, headers: { Accept: "application/json", "Content-Type": "application/json", "X-Csrf-Token": csrf } });
    const d = await r.json().catch(() => ({}));
    if (!r.ok) throw Object.assign(new Error(d.title || say("issue.fail.server")), { help: d.help || "", code: d.code || "" });
    return d;
  };
  const theirs = async (path, body, method = "POST") => {
    const r = await fetch(url + path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const d = await r.json().catch(() => ({}));
    return r.ok ? d : { ...d, ok: false, code: d.code || "internal" };
  };
  const at = (r) => "/v1/readers/" + encodeURIComponent(r.id);
  // The station checks cards with what the register hands it: certificates and the status list.
  const trust = async () => {
    if (Date.now() - trustAt < 10 * 60 * 1000) return;
    try {
      if ((await theirs("/v1/trust", await ours("/cards/trust"), "PUT")).ok === false) console.warn(say("issue.trust_failed")); else trustAt = Date.now();
    } catch { /* asked again at the next connection or card */ }
  };

  const make = (tag, text, name) => { const e = document.createElement(tag); e.textContent = text; if (name) e.className = name; return e; };
  const entry = (name, small) => { const li = make("li", ""); li.append(make("span", name, "name"), make("small", small || "")); return li; };
  const stage = (el, tone, title, help = "") => {
    el.dataset.tone = tone;
    el.querySelector("[data-say]").textContent = title;
    el.querySelector("[data-help-text]").textContent = help;
  };
  const step = (el, p) => {
    const bar = el.querySelector("[data-progress]");
    if (p.total > 0) { bar.max = p.total; bar.value = p.done; }
    if (words["issue.step." + p.step]) el.querySelector("[data-say]").textContent = words["issue.step." + p.step];
  };

  const page = { root, words, say, ours, theirs, at, trust, make, entry, stage, step, online: false };
  // active is the reader of a page that serves one at a time: the one with a card, else one with something to say, else any that is there.
  page.active = () => {
    const all = [...readers.values()].filter((r) => r.state !== "gone");
    return all.find((r) => r.state === "card") || all.find((r) => r.state !== "empty") || all[0];
  };
  page.reader = (id) => readers.get(id);
  // missing is what keeps a card from being served at a reader, as title and help; null when one may be laid.
  page.missing = (r) => {
    if (!page.online) return [say("issue.offline"), say("issue.offline_help", { url })];
    if (!r) return [say("issue.no_reader"), say("issue.no_reader_help")];
    return words["issue." + r.state] ? [say("issue." + r.state), say("issue." + r.state + "_help")] : null;
  };
  // listen hears the station until the page is left: on.line when it comes or goes, on.reader with what a reader is and was, on.relay while a card is written.
  page.listen = (on) => {
    const es = new EventSource(url + "/v1/events");
    es.onopen = () => { page.online = true; trust(); on.line(); };
    es.onerror = () => { page.online = false; on.line(); };
    es.addEventListener("reader", (e) => { const r = JSON.parse(e.data), was = readers.get(r.id); readers.set(r.id, r); on.reader(r, was); });
    if (on.relay) es.addEventListener("relay", (e) => on.relay(JSON.parse(e.data)));
    addEventListener("pagehide", () => es.close());
  };
  return page;
};
