// Package perso makes and rewrites student cards. Decide is pure: from the server's order, what the card holds and what the journal knows it says what is to be
// done, or why not. Maker carries it out over a card that may be far away and may leave at any moment.
//
// The order of things is the safety: order redeemed → journal (fsync) → server told "planned" → application prepared → slot written, header last → read back and
// judged by a fresh verifier → journal → server told "personalised" → journal. Whatever breaks, the same card put back goes on from where it was.
//
// It must not import net/http.
package perso
