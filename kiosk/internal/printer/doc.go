// Package printer keeps the papers a kiosk owes its families until a printer says that they are printed. A paper is durable (sealed) before the screen
// speaks of it, goes to CUPS over IPP (RFC 8011), and counts as printed only when its job is completed; what stops the printer (no paper, a jam, switched
// off) is told in words for the family and for the school, and the paper waits. Without a printer, papers go to the print tray, a folder from which the
// registrar prints. A reprint is numbered and says so on the paper.
//
// Papers hold masked names only. The package must not import the flow or the web.
package printer
