// Package intake reads and writes the workbooks schools exchange with the register: the filled basic-information form comes in, the same workbook goes
// back with every wrong cell marked, and an empty template goes out. The operator's workbook of offices and schools is read and written here too.
//
// It owns the reading of spreadsheets (untrusted files: sizes are checked before anything is unpacked) and the turning of what people type into the
// form's values. It owns no rule of the form: columns, lengths, lists and required items come from registry.Fields. It must not import the store, the
// service, HTTP or Redis, and it never writes a pupil's data into an error.
package intake
