// Package ceremony holds the acts by which a province makes its root of trust and certifies issuing keys year by year: the root's folder on an offline machine, sealed with
// passphrases or in a PKCS#11 token; requests that prove possession of a key; certificates; and the transcript that those present sign.
//
// docs/issuing-keys.md tells operators how to go about it. It must not import net/http: no machine of a ceremony needs a network.
package ceremony
