package sqlstore

// Reference marks a table that is small and may be copied to every node.
const Reference = "reference"

// Distribution is each table's distribution key, or Reference. The key is part of every primary key and unique index of its table and never changes; a test
// of each engine reads the catalogue and holds it to this table.
var Distribution = map[string]string{
	// a pupil's rows
	"pupil": "student_uid", "pupil_doc": "student_uid", "history": "student_uid", "pupil_case": "student_uid", "case_unit": "student_uid",
	"pin_try": "student_uid", "task": "student_uid", "task_other": "student_uid", "search_term": "student_uid", "outbox": "student_uid", "issuance": "student_uid",
	// claims over the whole register
	"id_claim": "id_hash", "number_claim": "number", "case_claim": "case_no", "archive_claim": "archive_no", "issuance_claim": "issuance_id",
	"card_claim": "card_no", "status_claim": "status_idx", "ticket_claim": "ticket_hash",
	// kiosks
	"kiosk_mark": "kiosk", "inbox": "kiosk", "quarantine": "kiosk", "sealed_key": "kiosk",
	// by their own key
	"session": "token_hash", "file": "digest", "file_owner": "digest", "import_run": "id",
	// small
	"unit_school": Reference, "unit_office": Reference, "account": Reference, "kiosk": Reference, "counter": Reference, "revocation": Reference,
	"status_list": Reference, "blob": Reference,
}
