// Package match is the ladder of 查重 (Article 6): what makes two records look like one child, and why. It blocks: Keys are the few strings of which two records of
// one child share at least one. It judges: Judge climbs the ladder for two records and gives the rung, a score and the reasons, or nothing. Pairs finds, in a whole
// register, which records share a key.
//
// Nothing merges by itself: a rung is a question for a person, the topmost alone refuses an entry. Twins are never put to anybody: two whole documents that differ
// speak for two children unless the written names are the same.
//
// It is pure. Keys hold personal data in clear: the caller hashes them under a key (service.Keys) before they are stored anywhere.
package match
