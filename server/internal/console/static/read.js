// A card on the station's reader is read and laid beside the register. What the card says is judged and opened by the register alone; a key to read one card passes through
// here, once, and is kept nowhere.
(() => {
  "use strict";
  const page = xjStation("read", "read-words");
  if (!page) return;
  const { root, words, say, ours, theirs, trust, make, active } = page;
  const $ = (s) => root.querySelector(s);
  const whys = $("[data-whys]");
  let busy = false;
  let used = ""; // reader and tap that were served

  const show = (tone, title, help = "") => {
    page.stage($(".stage"), tone, title, help);
    $('[data-act="again"]').hidden = tone !== "bad" && tone !== "ask" && tone !== "ok" || !used;
  };
  const facts = (list) => {
    $("[data-facts]").hidden = !list.length;
    $("[data-facts]").replaceChildren(...list.map(([k, v]) => { const d = document.createElement("div"); d.append(make("dt", k), make("dd", v)); return d; }));
  };
  const clear = () => {
    facts([]);
    $("[data-result]").hidden = true;
    $("[data-none]").hidden = false;
    $("[data-photo]").hidden = true;
    $("[data-photo]").removeAttribute("src");
    $("[data-name]").textContent = "";
    $("[data-items]").replaceChildren();
  };
  const tell = (a) => {
    show(a.tone, a.title, a.help);
    facts(a.facts || []);
    if (!a.name) return;
    $("[data-none]").hidden = true;
    $("[data-result]").hidden = false;
    const name = $("[data-name]");
    name.textContent = a.name;
    if (a.href) name.href = a.href; else name.removeAttribute("href");
    $("[data-tally]").textContent = a.tally || "";
    $("[data-note]").hidden = !a.note;
    $("[data-note]").textContent = a.note || "";
    $("[data-onto]").hidden = !a.onto;
    if (a.photo) { $("[data-photo]").src = a.photo; $("[data-photo]").hidden = false; }
    $("[data-table]").hidden = !(a.items || []).length;
    $("[data-items]").replaceChildren(...(a.items || []).map((i) => {
      const tr = make("tr", "", i.same ? "same" : "differs"), th = make("th", i.title);
      th.scope = "row";
      th.append(make("small", say(i.same ? "cardread.same" : "cardread.differs")));
      tr.append(th, make("td", i.card), make("td", i.now));
      return tr;
    }));
  };

  // settle shows what stands on the reader, and begins with a card that was not served yet. What was said of the last card goes with it.
  const settle = () => {
    if (busy) return;
    const r = active();
    $("[data-reader]").textContent = r ? r.name : "";
    $(".stage").classList.toggle("on", !!r && r.state !== "empty");
    if (r && r.state === "card" && page.online) {
      if (r.id + " " + r.tap !== used) serve(r);
      return;
    }
    used = "";
    clear();
    const missing = page.missing(r);
    if (missing) return show("bad", ...missing);
    show("ready", say("cardread.put"), say("cardread.put_help"));
  };

  const serve = async (r) => {
    busy = true;
    used = r.id + " " + r.tap;
    clear();
    show("work", say("cardread.reading"), say("cardread.reading_help"));
    try {
      await trust();
      const at = page.at(r), { nonce } = await ours("/cards/read/nonce");
      let tap = await theirs(at + "/check", { nonce });
      if (tap.code === "no_issuer") tap = await theirs(at + "/tap", { nonce });
      if (tap.ok === false) show("bad", say("cardread.fail"), words["cardread.fail." + tap.code] || say("cardread.fail.internal"));
      else if (!tap.record) { const v = words["cardread." + tap.verdict] ? "cardread." + tap.verdict : "cardread.unreadable"; show("bad", say(v), say(v + "_help")); }
      else {
        const card = { record: tap.record, chip_serial: tap.chip_serial, sealed: tap.sealed, guarded: !!tap.guarded, nonce, signature: tap.proof, attestation: tap.attestation,
          verdict: tap.verdict, check: tap.check };
        if (whys) { card.why = whys.elements.why.value; card.words = whys.elements.words.value.trim(); if (card.words && !card.why) card.why = "other"; }
        let a = await ours("/cards/read", card);
        if (a.read_key) {
          show("work", say("cardread.opening"), say("cardread.reading_help"));
          const second = await theirs(at + "/tap", { nonce, read_key: a.read_key });
          const same = second.record === tap.record && second.tap === tap.tap;
          a = await ours("/cards/read", { ...card, guarded: false, sealed: same ? second.sealed : null, signature: (same && second.proof) || tap.proof, mark: a.mark });
        }
        tell(a);
        if (a.tone === "ask" && whys) whys.elements.why.focus();
      }
    } catch (e) {
      show("bad", say("cardread.fail"), [e.message, e.help].filter(Boolean).join(" "));
    }
    busy = false;
    const now = page.reader(r.id);
    if (!now || now.state !== "card" || now.tap !== r.tap) settle(); // it left, or another was laid meanwhile
  };

  const again = () => { const r = active(); if (r && r.state === "card" && !busy) serve(r); };
  root.addEventListener("click", (e) => { if (e.target.closest('[data-act="again"]')) again(); });
  if (whys) {
    whys.addEventListener("submit", (e) => { e.preventDefault(); again(); });
    whys.addEventListener("change", () => { if ($(".stage").dataset.tone === "ask") again(); });
  }
  page.listen({ line: settle, reader: settle });
  addEventListener("pagehide", clear);
  settle();
})();
