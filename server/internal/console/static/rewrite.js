// Pupils' cards are laid on the station's reader one after the other: each is read, the register says whether it is behind, and the issuer writes it anew through cardsvc. No key
// passes through here.
(() => {
  "use strict";
  const page = xjStation("rewrite", "issue-words");
  if (!page) return;
  const { root, words, say, ours, theirs, active } = page;
  const $ = (s) => root.querySelector(s);
  let busy = false, done = 0;
  let used = "";          // reader and tap that were served
  let card = null;        // what the register said of the card that lies there

  const show = (tone, title, help = "") => {
    page.stage($(".stage"), tone, title, help);
    $("[data-who]").textContent = card ? card.name : "";
    $("[data-sub]").textContent = card ? card.card_no : "";
  };
  const button = (name, on) => { $('[data-act="' + name + '"]').hidden = !on; };

  // settle shows what stands on the reader, and begins with a card that was not served yet.
  const settle = () => {
    if (busy) return;
    const r = active();
    $("[data-reader]").textContent = r ? r.name : "";
    $(".stage").classList.toggle("on", !!r && r.state !== "empty");
    if (r && r.state === "card" && page.online) {
      if (r.id + " " + r.tap !== used) serve(r, false);
      return; // served: what was said stands until the card leaves
    }
    card = null;
    button("again", false); button("ask", false);
    $("[data-progress]").hidden = true;
    const missing = page.missing(r);
    if (missing) return show("bad", ...missing);
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
      const tap = await theirs(page.at(r) + "/tap", {});
      if (tap.ok === false) bad(say("issue.fail_title"), words["issue.fail." + tap.code] || say("issue.fail.internal"));
      else if (!tap.record) bad(say("rewrite.blank"), say("rewrite.blank_help"), false);
      else {
        const t = card = await ours("/cards/rewrite", { record: tap.record, chip_serial: tap.chip_serial, ask });
        if (!t.ticket) { show("ok", say("rewrite.fine", { name: t.name }), say("rewrite.fine_help")); button("ask", true); }
        else {
          const bar = $("[data-progress]");
          bar.hidden = false; bar.removeAttribute("value");
          show("work", say("issue.working"), say("issue.working_help"));
          const out = await theirs(page.at(r) + "/relay", { ticket: t.ticket });
          bar.hidden = true;
          if (out.ok) {
            $("[data-list]").prepend(page.entry(t.name, t.card_no));
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
    const now = page.reader(r.id);
    if (now && now.state === "card" && now.tap !== r.tap) settle(); // another was laid meanwhile
  };

  root.addEventListener("click", (e) => {
    const b = e.target.closest("[data-act]"), r = active();
    if (b && r && r.state === "card" && !busy) serve(r, b.dataset.act === "ask");
  });
  page.listen({
    line: settle,
    reader: (r, was) => {
      // What was said of a card stands until the next is laid or the reader is free: a card that left too early is asked for.
      if (was && was.state === "card" && r.state === "empty" && !busy && $(".stage").dataset.tone === "bad" && card) return;
      settle();
    },
    relay: (p) => { if (busy) page.step($(".stage"), p); },
  });
  settle();
})();
