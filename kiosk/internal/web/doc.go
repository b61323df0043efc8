// Package web draws the desk's state for the glass and takes what fingers, keyboard and scanner say back to it. One address, no history: the page holds a
// fragment drawn by the server and replaced over server-sent events, so that nothing of the last family can be gone back to. It serves loopback only.
package web
