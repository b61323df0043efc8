// Package browsertest starts the Chromium of the browser tests: the one place that knows which program it is, how it is started on a machine without a screen,
// and how long a crowded machine may take.
//
// It knows no page and no program of ours: what a test does in the browser is the test's. Tests alone import it.
package browsertest
