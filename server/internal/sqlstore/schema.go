package sqlstore

import (
	"fmt"
	"slices"
	"strings"
)

// Reference marks a table that is small and may be copied to every node.
const Reference = "reference"

// Distribution is each table's distribution key, or Reference. The key is part of every primary key and unique index of its table and never changes; a test
// of each engine reads the catalogue and holds it to this table.
var Distribution = map[string]string{
	// a pupil's rows
	"pupil": "student_uid", "pupil_doc": "student_uid", "history": "student_uid", "pupil_case": "student_uid", "case_unit": "student_uid",
	"pin_try": "student_uid", "search_token": "student_uid", "task": "student_uid", "task_other": "student_uid", "search_term": "student_uid", "outbox": "student_uid", "issuance": "student_uid",
	"issuance_life": "student_uid", "card_lease": "student_uid", "suspicion": "student_uid", "suspicion_unit": "student_uid", "pupil_left": "student_uid",
	// claims over the whole register
	"id_claim": "id_hash", "number_claim": "number", "case_claim": "case_no", "archive_claim": "archive_no", "certificate_claim": "certificate_no", "issuance_claim": "issuance_id",
	"card_claim": "card_no", "status_claim": "status_idx", "ticket_claim": "ticket_hash",
	// blocking keys of 查重, each at its own place: a newcomer asks for ten
	"match_key": "match_key",
	// kiosks
	"kiosk_mark": "kiosk", "inbox": "kiosk", "quarantine": "kiosk", "sealed_key": "kiosk",
	// by their own key
	"session": "token_hash", "file": "digest", "file_owner": "digest", "import_run": "id", "run_part": "run", "bulk_run": "id", "bulk_row": "run", "certificate": "certificate_no", "card_run": "id", "card_run_name": "run",
	// the log of who did and read what: entries with their subject, tiles and kept checkpoints by their own key; exports by approval
	"audit_entry": "subject", "audit_tile": "tile", "audit_checkpoint": "size", "audit_day": "account", "audit_alert": "id", "audit_reason": "token_hash",
	"export_approval": "no", "export_copy": "no",
	// findings, tallies and marks by the unit they are of, orders by their number
	"finding": "unit", "correction_order": "no", "tally": "unit", "report_mark": "unit",
	// newcomers that other systems handed in, by client and their own name for them
	"handed": "id",
	// the exchange: letters by peer; whoever writes to one peer takes turns at its mark
	"exchange_mark": "peer", "exchange_out": "peer", "exchange_in": "peer", "exchange_turned": "peer",
	"factor": "account", "guard_try": "name", "once": "id",
	// small
	"unit_school": Reference, "unit_office": Reference, "account": Reference, "kiosk": Reference, "substitution": Reference, "api_client": Reference, "counter": Reference, "revocation": Reference,
	"vault_key": Reference, "vault_pass": Reference, "vault_left": Reference, "vault_pause": Reference, "exchange_key": Reference, "exchange_peer": Reference, "status_list": Reference, "blob": Reference, "audit_head": Reference,
}

// Constraint is a primary key, unique index or foreign key read from an engine's catalogue.
type Constraint struct {
	Table   string
	Name    string
	Columns []string
}

// Breaches lists what in a catalogue breaks the distribution rules: a table that has no place in Distribution or is missing, one without a primary key, a
// constraint without the distribution key. tables are all of the schema but the migrator's own.
func Breaches(tables []string, primary, others []Constraint) []string {
	var out []string
	present, keyed := map[string]bool{}, map[string]bool{}
	for _, t := range tables {
		present[t] = true
		if _, ok := Distribution[t]; !ok {
			out = append(out, t+": no distribution key is decided for this table")
		}
	}
	for t := range Distribution {
		if !present[t] {
			out = append(out, t+": is not in the schema")
		}
	}
	check := func(c Constraint) {
		if key := Distribution[c.Table]; key != Reference && !slices.Contains(c.Columns, key) {
			out = append(out, fmt.Sprintf("%s: %s (%s) is without the distribution key %s", c.Table, c.Name, strings.Join(c.Columns, ", "), key))
		}
	}
	for _, c := range primary {
		keyed[c.Table] = true
		check(c)
	}
	for _, t := range tables {
		if !keyed[t] {
			out = append(out, t+": has no primary key")
		}
	}
	for _, c := range others {
		check(c)
	}
	slices.Sort(out)
	return out
}
