package browsertest

import (
	"context"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// shell is Chromium's engine without its windows: the same pages, drawn and scripted alike, at a fraction of the whole browser's work.
const shell = "chromium-headless-shell"

// Start gives the first tab of a new browser, which lives until the test ends or limit is over. Each browser has a profile of its own. What is done under a
// context derived from it may have a limit of its own.
func Start(t testing.TB, limit time.Duration, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	if path, err := exec.LookPath(shell); err == nil {
		more = append([]chromedp.ExecAllocatorOption{chromedp.ExecPath(path)}, more...)
	}
	return StartWhole(t, limit, more...)
}

// StartWhole is Start of the whole browser, for what the engine alone lacks: asking a person for the camera.
func StartWhole(t testing.TB, limit time.Duration, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", "zh-CN"), chromedp.Flag("accept-lang", "zh-CN"), chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, stop := context.WithTimeout(context.Background(), limit)
	t.Cleanup(stop)
	ctx, end := chromedp.NewExecAllocator(ctx, append(opts, more...)...)
	t.Cleanup(end)
	quiet := func(string, ...any) {} // of Chromium's new events that the library does not know
	ctx, closed := chromedp.NewContext(ctx, chromedp.WithLogf(quiet), chromedp.WithErrorf(quiet))
	t.Cleanup(closed)
	if err := chromedp.Do(ctx); err != nil { // now, not in the first act: the browser ends with the context that starts it
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}
