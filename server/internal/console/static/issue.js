// The issuing screen. It talks to two: this server (who is next, one-time tickets) and the station's cardsvc on the loopback (reader, relay to the issuer).
// No key and nothing personal passes through it but the names on the list.
(() => {
  "use strict";
  const root = document.getElementById("issue");
  if (!root) return;
  const $ = (s) => root.querySelector(s);
  const station = root.dataset.station.replace(/\/$/, "");
  const words = {};
  for (const s of document.getElementById("issue-words").content.querySelectorAll("[data-key]")) words[s.dataset.key] = s.textContent;
  const say = (key, vars = {}) => Object.entries(vars).reduce((t, [k, v]) => t.replaceAll("{" + k + "}", v), words["issue." + key] || key);
  const csrf = document.querySelector('meta[name="csrf"]').content;

  const stage = $(".stage"), queueEl = $("[data-queue]"), bar = $("[data-progress]");
  let queue = [...queueEl.children].map((li) => ({ uid: li.dataset.uid, name: li.querySelector(".name").textContent, sub: li.querySelector("small").textContent }));
  let total = Number(root.dataset.total);
  let reader = null;      // the reader the screen follows
  let online = false;
  let mode = "wait";      // wait | work | done | back (the same card again) | halt (somebody must look) | pause
  let usedTap = 0;        // a tap already used up: its card must leave before the next
  let held = null;        // {uid, name, again} a pupil whose card was interrupted
  let trustAt = 0;
  let sent = null;        // what done and halt say
  let swap = false;       // halt is about the card alone: another card goes on by itself
  const made = [];

  const show = (tone, title, help = "") => {
    stage.dataset.tone = tone;
    $("[data-say]").textContent = title;
    $("[data-help-text]").textContent = help;
  };
  const button = (name, on) => { root.querySelector('[data-act="' + name + '"]').hidden = !on; };
  const next = () => held || queue[0] || null;

  function draw() {
    const p = next();
    const who = $("[data-who]");
    who.textContent = p ? p.name : "";
    who.classList.toggle("long", !!p && [...p.name].length > 12);
    $("[data-sub]").textContent = p ? p.sub : "";
    [...queueEl.children].forEach((li) => li.classList.toggle("next", !!p && li.dataset.uid === p.uid));
    $("[data-left]").textContent = total;
    stage.classList.toggle("on", !!reader && reader.state !== "empty" && reader.state !== "gone");
    $("[data-reader]").textContent = reader ? reader.name : "";
    button("again", mode === "halt"); button("skip", mode === "halt" && queue.length > 0);
    button("pause", mode === "wait" && !!p); button("resume", mode === "pause");
    if (mode === "work") return;
    bar.hidden = true;
    if (mode === "pause") return show("wait", say("paused"), say("paused_help"));
    if (!online) return show("bad", say("offline"), say("offline_help", { url: station }));
    if (!reader || reader.state === "gone") return show("bad", say("no_reader"), say("no_reader_help"));
    if (mode === "halt") return show("bad", say("fail_title"), sent);
    if (mode === "done") return show("ok", sent, say("success_help"));
    if (!p) return show("ok", say("all_done"), say("all_done_help"));
    if (reader.state === "unknown") return show("bad", say("unknown"), say("unknown_help"));
    if (reader.state === "mute") return show("bad", say("mute"), say("mute_help"));
    if (reader.state === "many") return show("bad", say("many"), say("many_help"));
    if (mode === "back") return show("bad", say("put_back"), say("put_back_help", { name: p.name }));
    if (reader.state === "card" && reader.tap === usedTap) return show("wait", say("remove"), say("remove_help"));
    show("ready", say("put_blank"), say("put_blank_help"));
  }

  // ---- this server ----
  const ours = async (url, init = {}) => {
    const r = await fetch(url, { ...init, headers: { Accept: "application/json", "Content-Type": "application/json", "X-Csrf-Token": csrf } });
    const d = await r.json().catch(() => ({}));
    if (!r.ok) throw Object.assign(new Error(d.title || say("fail.server")), { help: d.help || "" });
    return d;
  };
  const reload = async () => {
    const d = await ours("/cards/queue?school=" + encodeURIComponent(root.dataset.school) + "&class=" + encodeURIComponent(root.dataset.class));
    const had = new Set(made.map((m) => m.uid));
    queue = d.rows.filter((r) => !had.has(r.uid));
    total = d.total;
    queueEl.replaceChildren(...queue.map((r) => {
      const li = document.createElement("li"), n = document.createElement("span"), s = document.createElement("small");
      li.dataset.uid = r.uid; n.className = "name"; n.textContent = r.name; s.textContent = r.sub; li.append(n, s);
      return li;
    }));
    const none = $("[data-noqueue]");
    if (none) none.hidden = queue.length > 0;
  };
  // The station checks cards with what the register hands it: certificates and the status list.
  const trust = async () => {
    if (Date.now() - trustAt < 10 * 60 * 1000) return;
    try {
      const t = await ours("/cards/trust");
      const r = await fetch(station + "/v1/trust", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(t) });
      if (r.ok) trustAt = Date.now(); else console.warn(say("trust_failed"));
    } catch { /* asked again at the next connection */ }
  };

  // ---- one card ----
  async function issue(tap) {
    const p = next();
    if (!p) return;
    mode = "work"; usedTap = tap;
    bar.hidden = false; bar.removeAttribute("value");
    show("work", say("ticket"), say("working_help"));
    button("pause", false); button("again", false); button("skip", false);
    let out;
    try {
      const t = await ours("/cards/ticket", { method: "POST", body: JSON.stringify({ uid: p.uid, reason: p.again ? "resume" : "first" }) });
      show("work", say("working"), say("working_help"));
      const r = await fetch(station + "/v1/readers/" + encodeURIComponent(reader.id) + "/relay", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ticket: t.ticket }),
      });
      out = await r.json();
      if (!r.ok) out = { ok: false, code: out.code || "internal", detail: out.detail };
      if (out.ok && !out.card_no) out.card_no = t.card_no;
    } catch (e) {
      out = { ok: false, code: "server", said: e.help !== undefined ? [e.message, e.help].filter(Boolean).join(" ") : "" };
    }
    ended(p, out);
  }

  function ended(p, out) {
    bar.hidden = true;
    if (out.ok) {
      held = null;
      made.push({ uid: p.uid, name: p.name, no: out.card_no });
      queue = queue.filter((x) => x.uid !== p.uid);
      total = Math.max(0, total - 1);
      const li = [...queueEl.children].find((x) => x.dataset.uid === p.uid);
      if (li) li.remove();
      const box = $("[data-made]"), row = document.createElement("li"), n = document.createElement("span"), s = document.createElement("small");
      n.className = "name"; n.textContent = p.name; s.textContent = out.card_no || ""; row.append(n, s);
      box.hidden = false; box.querySelector("ol").prepend(row);
      $("[data-made-n]").textContent = made.length;
      $("[data-faces]").href = "/cards/faces.pdf?uid=" + made.slice(-200).map((m) => m.uid).join(",");
      mode = "done";
      sent = say(out.resumed ? "resumed" : "success", { name: p.name, no: out.card_no || "" });
      draw();
      if (queue.length === 0) reload().then(draw).catch(() => {});
      if (reader && (reader.state === "empty" || reader.tap !== usedTap)) settle();
      return;
    }
    if (out.code === "gone" || out.code === "torn") { // the card left: the same pupil, the same card
      held = { ...p, again: true };
      mode = "back";
      draw();
      settle();
      return;
    }
    held = p.again ? p : null;
    mode = "halt";
    swap = ["not_blank", "wrong_card", "unknown_chip", "card", "verify"].includes(out.code);
    sent = out.said || words["issue.fail." + out.code] || say("fail.internal");
    draw();
  }

  // ---- what stands on the reader ----
  function settle() {
    if (mode === "work" || mode === "pause") { if (mode === "pause") draw(); return; }
    if (!reader) { draw(); return; }
    if (reader.state === "empty" && (mode === "done" || mode === "halt" && swap)) mode = "wait";
    if (reader.state === "card" && reader.tap !== usedTap && (mode === "wait" || mode === "back" || mode === "done") && online && next()) {
      issue(reader.tap);
      return;
    }
    draw();
  }

  const follow = (r) => {
    if (reader && reader.id !== r.id && reader.state !== "gone" && reader.state !== "empty") return; // a card on one reader: finish it there
    if (reader && reader.id !== r.id && r.state !== "card") return;
    reader = r;
    settle();
  };

  const es = new EventSource(station + "/v1/events");
  es.onopen = () => { online = true; trust(); settle(); };
  es.onerror = () => { online = false; if (mode !== "work") draw(); };
  es.addEventListener("reader", (e) => follow(JSON.parse(e.data)));
  es.addEventListener("relay", (e) => {
    const p = JSON.parse(e.data);
    if (mode !== "work" || reader && p.reader !== reader.id) return;
    if (p.total > 0) { bar.max = p.total; bar.value = p.done; }
    const key = "issue.step." + p.step;
    if (words[key]) $("[data-say]").textContent = words[key];
  });
  addEventListener("pagehide", () => es.close());

  root.addEventListener("click", (e) => {
    const b = e.target.closest("[data-act]");
    if (!b) return;
    if (b.dataset.act === "again") { mode = "wait"; usedTap = 0; }
    if (b.dataset.act === "skip") {
      const p = next();
      held = null;
      queue = [...queue.filter((x) => x.uid !== p.uid), ...queue.filter((x) => x.uid === p.uid)];
      const li = [...queueEl.children].find((x) => x.dataset.uid === p.uid);
      if (li) queueEl.append(li);
      mode = "wait";
    }
    if (b.dataset.act === "pause") mode = "pause";
    if (b.dataset.act === "resume") { mode = "wait"; }
    settle();
  });
  draw();
})();
