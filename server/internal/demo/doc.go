// Package demo invents a province: offices, schools, staff, families and their children, as many as asked for, the same for the same seed. It also tells each
// pupil's past as events (Plan), so that a demonstration's data goes through the register's own rules, and writes sample workbooks for the import.
//
// Nobody in it lives. ID numbers have right check digits but begin with county codes that GB/T 2260 never gave out; telephone numbers keep to one block.
// It must not import the store, the service, HTTP or Redis, and no other package may take it for real data.
package demo
