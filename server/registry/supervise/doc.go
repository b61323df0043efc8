// Package supervise holds the rules of 《中小学生学籍管理办法》 Articles 26 and 27 that a program can serve: eight detectors, one small pure rule each; the order to
// correct (责令改正) with its answers; and the yearly figures, tallied record by record. It is pure, as the registry is: time, rules and directory come in
// registry.Env. Who may see and order what is internal/access.
package supervise
