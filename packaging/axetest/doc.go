// Package axetest holds pages in a browser test against WCAG 2.2 AA by axe-core.
//
// axe-core is an npm package, pinned by package-lock.json and fetched by `make setup-axe` into a folder that git ignores; no product links or ships it. The
// package knows nothing of a page: tests of any room drive their own Chromium and call Check where it stands.
package axetest
