// The issuing screen: one lane for each reader of the station. It talks to two: this server (the next name that no other reader has, one-time tickets) and the
// station's cardsvc on the loopback (readers, relay to the issuer). No key and nothing personal passes through it but the names on the list.
(() => {
  "use strict";
  const page = xjStation("issue", "issue-words");
  if (!page) return;
  const { root, words, ours } = page;
  const $ = (s) => root.querySelector(s);
  const say = (key, vars) => page.say("issue." + key, vars);

  // This desk among all desks of the same person; a reader is a lane of it.
  let desk = "";
  try {
    desk = localStorage.getItem("xj_desk") || "";
    if (!desk) localStorage.setItem("xj_desk", desk = crypto.getRandomValues(new Uint32Array(3)).join("-"));
  } catch { desk = String(Math.random()).slice(2); }

  const lanesEl = $("[data-lanes]"), queueEl = $("[data-queue]");
  const blank = lanesEl.querySelector(".stage").cloneNode(true);
  let total = Number(root.dataset.total);
  let seconds = 0, spoiled = 0;
  const later = [];       // put behind everybody else
  const made = [];
  const lanes = [];
  const from = { run: root.dataset.run || "", school: root.dataset.school, class: root.dataset.class };

  const reload = async () => {
    const d = await ours("/cards/queue?" + new URLSearchParams(from));
    const had = new Set(made.map((m) => m.uid));
    total = d.total;
    queueEl.replaceChildren(...d.rows.filter((r) => !had.has(r.uid)).map((r) => {
      const li = page.entry(r.name, r.sub);
      li.dataset.uid = r.uid;
      return li;
    }));
  };

  // rate is cards a minute as they really came off the readers of this page, hands included: over the last twelve, pauses of more than five minutes apart left out.
  const rate = () => {
    const t = made.slice(-12).map((m) => m.at);
    let millis = 0, n = 0;
    for (let i = 1; i < t.length; i++) if (t[i] - t[i - 1] < 5 * 60 * 1000) { millis += t[i] - t[i - 1]; n++; }
    return n ? (n * 60000 / Math.max(millis, 1)).toFixed(1) : "—";
  };
  const drawList = () => {
    const mine = new Set(lanes.map((l) => l.pupil && l.pupil.uid));
    for (const li of queueEl.children) li.classList.toggle("next", mine.has(li.dataset.uid));
    $("[data-left]").textContent = total;
    const tally = { made: made.length, spoiled, rate: rate(), left: total };
    for (const [k, v] of Object.entries(tally)) $('[data-tally="' + k + '"]').textContent = v;
    $("[data-noqueue]").hidden = queueEl.children.length > 0;
    const box = $("[data-made]");
    box.hidden = made.length === 0;
    $("[data-made-n]").textContent = made.length;
    if (!made.length) return;
    const uids = made.slice(-200).map((m) => m.uid).join(",");
    $("[data-faces]").href = "/cards/faces.pdf?uid=" + uids;
    $("[data-labels]").href = "/cards/labels.pdf?uid=" + uids;
    $("[data-stats]").textContent = say("stats", { n: Math.max(1, Math.round(seconds / made.length)), spoiled });
  };

  // A lane is one reader with the name it drew.
  class Lane {
    constructor(el) {
      this.el = el;
      this.reader = null;
      this.pupil = null;    // {uid, name, sub, again}
      this.awake = false;   // an idle reader keeps no name from the others: it draws when a card is laid, or when asked
      this.mode = "wait";   // wait | draw | work | done | back (the same card again) | halt (somebody must look) | pause
      this.usedTap = 0;     // a tap already used up: its card must leave before the next
      this.sent = null;     // what done and halt say
      this.swap = false;    // halt is about the card alone: another card goes on by itself
      this.empty = false;   // nobody is left for this reader
      this.others = 0;      // who waits at other readers
      el.addEventListener("click", (e) => { const b = e.target.closest("[data-act]"); if (b) this.act(b.dataset.act); });
    }
    $(s) { return this.el.querySelector(s); }
    get lane() { return desk + "/" + (this.reader ? this.reader.id : ""); }
    get ask() { return { ...from, uid: this.pupil ? this.pupil.uid : "", lane: this.lane }; }
    get here() { return this.reader && this.reader.state !== "gone"; }
    show(tone, title, help) { page.stage(this.el, tone, title, help); }
    focus() { const b = this.el.querySelector("[data-act]:not([hidden])"); if (b) b.focus(); }
    button(name, on) { this.$('[data-act="' + name + '"]').hidden = !on; }

    draw() {
      const p = this.pupil, r = this.reader, who = this.$("[data-who]");
      drawList();
      who.textContent = p ? p.name : "";
      who.classList.toggle("long", !!p && [...p.name].length > 12);
      this.$("[data-sub]").textContent = p ? p.sub : "";
      this.el.classList.toggle("on", !!r && r.state !== "empty" && r.state !== "gone");
      this.$("[data-reader]").textContent = r ? (lanes.length > 1 ? lanes.indexOf(this) + 1 + " · " : "") + r.name : "";
      this.button("again", this.mode === "halt"); this.button("skip", this.mode === "halt" && !!p);
      this.button("reject", !!p && (this.mode === "back" || this.mode === "halt" && this.swap));
      this.button("pause", this.mode === "wait" && !!p); this.button("resume", this.mode === "pause");
      this.button("wake", this.mode === "wait" && this.here && !p && !this.awake && !this.empty);
      if (this.mode === "work") return;
      this.$("[data-progress]").hidden = true;
      if (this.mode === "pause") return this.show("wait", say("paused"), say("paused_help"));
      const missing = page.missing(this.here ? r : null);
      if (missing && !(page.online && this.here)) return this.show("bad", ...missing);
      if (this.mode === "halt") return this.show("bad", say("fail_title"), this.sent);
      if (this.mode === "done") return this.show("ok", this.sent, say("success_help"));
      if (!p && this.empty) return this.others > 0 ? this.show("wait", say("others"), say("others_help", { n: this.others })) : this.show("ok", say("all_done"), say("all_done_help"));
      if (missing) return this.show("bad", ...missing);
      if (this.mode === "back") return this.show("bad", say("put_back"), say("put_back_help", { name: p.name }));
      if (r.state === "card" && r.tap === this.usedTap) return this.show("wait", say("remove"), say("remove_help"));
      if (!p && !this.awake) return this.show("wait", say("idle"), say("idle_help"));
      if (!p) return this.show("wait", say("ticket"));
      this.show("ready", say("put_blank"), say("put_blank_help"));
    }

    // next draws a name that no other reader has.
    async next() {
      if (this.drawing || this.pupil || !this.here || !page.online) return;
      this.drawing = this.awake = true;
      try {
        const d = await ours("/cards/next", { ...from, lane: this.lane, later });
        this.pupil = d.uid ? { uid: d.uid, name: d.name, sub: d.sub } : null;
        this.empty = !d.uid;
        this.others = d.uid ? 0 : d.left;
        total = d.left;
      } catch (e) {
        this.mode = "halt"; this.swap = false;
        this.sent = [e.message, e.help].filter(Boolean).join(" ");
      }
      this.drawing = false;
      this.settle();
    }

    async issue(tap) {
      const p = this.pupil;
      this.mode = "work"; this.usedTap = tap;
      const bar = this.$("[data-progress]");
      bar.hidden = false; bar.removeAttribute("value");
      this.show("work", say("ticket"), say("working_help"));
      for (const b of ["pause", "again", "skip", "reject", "wake"]) this.button(b, false);
      drawList();
      const begun = Date.now();
      let out;
      try {
        const t = await ours("/cards/ticket", { ...this.ask, reason: "" });
        this.show("work", say("working"), say("working_help"));
        out = await page.theirs(page.at(this.reader) + "/relay", { ticket: t.ticket });
        if (out.ok && !out.card_no) out.card_no = t.card_no;
      } catch (e) {
        out = { ok: false, code: "server", said: e.help !== undefined ? [e.message, e.help].filter(Boolean).join(" ") : "", theirs: e.code === "conflict" };
      }
      bar.hidden = true;
      if (out.ok) this.made(p, out, Date.now() - begun); else this.failed(p, out);
    }

    made(p, out, millis) {
      made.push({ uid: p.uid, name: p.name, no: out.card_no, at: Date.now() });
      seconds += millis / 1000;
      total = Math.max(0, total - 1);
      for (const li of queueEl.children) if (li.dataset.uid === p.uid) { li.remove(); break; }
      $("[data-made] ol").prepend(page.entry(p.name, out.card_no));
      this.pupil = null;
      this.mode = "done";
      this.sent = say(out.resumed ? "resumed" : "success", { name: p.name, no: out.card_no || "" });
      this.draw();
      if (queueEl.children.length === 0) reload().then(() => this.draw()).catch(() => {});
      this.next(); // the next name comes up by itself
      for (const l of lanes) if (l !== this && l.empty) { l.empty = false; l.others = 0; if (l.awake) l.next(); }
      if (this.reader && (this.reader.state === "empty" || this.reader.tap !== this.usedTap)) this.settle();
    }

    failed(p, out) {
      if (out.code === "gone" || out.code === "torn") { // the card left: the same pupil, the same card
        this.pupil = { ...p, again: true };
        this.mode = "back";
        this.draw();
        this.settle();
        return;
      }
      this.mode = "halt";
      this.swap = ["not_blank", "wrong_card", "unknown_chip", "card", "verify"].includes(out.code);
      this.sent = out.said || words["issue.fail." + out.code] || say("fail.internal");
      if (out.theirs) this.pupil = null; // another station has this name: the next try draws another
      this.draw();
      if (document.activeElement === document.body) this.focus(); // hands on the keyboard go on with Enter
    }

    async act(name) {
      if (name === "again") { this.mode = "wait"; this.usedTap = 0; }
      if (name === "skip" && this.pupil) {
        later.push(this.pupil.uid);
        this.pupil = null;
        this.mode = "wait";
      }
      if (name === "reject" && this.pupil) { // this chip is put aside: its number dies with it
        try {
          await ours("/cards/reject", { ...this.ask, reason: this.mode === "back" ? "other" : "chip" });
          spoiled++;
        } catch (e) {
          this.sent = [e.message, e.help].filter(Boolean).join(" ");
          this.mode = "halt";
          this.draw();
          return;
        }
        this.pupil = { ...this.pupil, again: false };
        this.mode = "wait";
      }
      if (name === "wake") this.awake = true;
      if (name === "pause") this.mode = "pause";
      if (name === "resume") this.mode = "wait";
      this.settle();
    }

    // settle goes on from what stands on the reader.
    settle() {
      if (this.mode === "work" || this.mode === "pause") { if (this.mode === "pause") this.draw(); return; }
      const r = this.reader;
      if (!r) { this.draw(); return; }
      if (r.state === "empty" && (this.mode === "done" || this.mode === "halt" && this.swap)) this.mode = "wait";
      const ready = r.state === "card" && r.tap !== this.usedTap && (this.mode === "wait" || this.mode === "back" || this.mode === "done") && page.online;
      if (!this.pupil && !this.empty && (this.awake || ready) && this.mode !== "halt") { this.draw(); this.next(); return; }
      if (ready && this.pupil) { this.issue(r.tap); return; }
      this.draw();
    }
    release(keepalive = false) {
      if (this.reader && (this.pupil || this.awake)) ours("/cards/release", { lane: this.lane }, { keepalive }).catch(() => {});
    }
  }

  const add = (reader) => {
    const el = lanes.length ? blank.cloneNode(true) : lanesEl.querySelector(".stage");
    const l = new Lane(el);
    l.reader = reader;
    lanes.push(l);
    return l;
  };
  add(null); // says what is missing until the first reader comes

  let waking = 0;
  const arrange = () => {
    lanes.sort((a, b) => (a.reader ? a.reader.name + a.reader.id : "~").localeCompare(b.reader ? b.reader.name + b.reader.id : "~"));
    lanes.forEach((l, i) => { if (lanesEl.children[i] !== l.el) lanesEl.insertBefore(l.el, lanesEl.children[i] || null); });
    lanesEl.classList.toggle("many", lanes.length > 1);
    lanes.forEach((l) => l.draw()); // their numbers may be others now
    // The first reader draws at once; the others when they are used.
    clearTimeout(waking);
    waking = setTimeout(() => { const l = lanes[0]; if (l.here && !l.awake) { l.awake = true; l.settle(); } }, 120);
  };
  const follow = (r) => {
    let l = lanes.find((x) => x.reader && x.reader.id === r.id);
    if (!l) {
      if (r.state === "gone") return;
      l = lanes.find((x) => !x.reader || x.reader.state === "gone" && x.mode !== "work");
      if (l) { l.release(); l.reader = r; l.pupil = null; l.awake = false; if (l.mode !== "pause") l.mode = "wait"; } else l = add(r);
      arrange();
    }
    l.reader = r;
    if (r.state === "gone" && l.mode !== "work" && lanes.length > 1) {
      l.release();
      l.el.remove();
      lanes.splice(lanes.indexOf(l), 1);
      arrange();
      lanes[0].settle();
      return;
    }
    l.settle();
  };

  page.listen({
    line: () => lanes.forEach((l) => { if (page.online) l.settle(); else if (l.mode !== "work") l.draw(); }),
    reader: follow,
    relay: (p) => {
      const l = lanes.find((x) => x.mode === "work" && x.reader && x.reader.id === p.reader);
      if (l) page.step(l.el, p);
    },
  });
  // 1–8 go to a reader's buttons.
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    const l = lanes[Number(e.key) - 1];
    if (l) { e.preventDefault(); l.focus(); }
  });
  addEventListener("pagehide", () => lanes.forEach((l) => l.release(true)));
  // Names that others made or left meanwhile fall off the list beside.
  setInterval(() => { if (page.online && lanes.every((l) => l.mode !== "work")) reload().then(drawList).catch(() => {}); }, 30000);
  lanes[0].draw();
})();
