// Command duck has DuckDB find the pairs of records that share a blocking key: the peer of match.Pairs in `make bench`. It is a module of its own, so that DuckDB is
// nobody's requirement but the measurement's.
//
// Usage: duck FILE TURNS. FILE holds entries of 12 bytes, little-endian: key (8), record (4). It prints one line a turn: pairs, seconds. The table lies in memory, the
// query counts what it found and gives nothing out, all cores are used.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// pairs is match.Pairs in SQL: keys of 2 to 64 records, each pair once.
const pairs = `WITH k AS (SELECT key FROM e GROUP BY key HAVING count(*) BETWEEN 2 AND 64), x AS (SELECT e.key, e.id FROM e SEMI JOIN k USING (key))
SELECT count(*) FROM (SELECT DISTINCT a.id, b.id FROM x a JOIN x b ON a.key = b.key AND a.id < b.id)`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "duck:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return errors.New("usage: duck FILE TURNS")
	}
	turns, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	defer connector.Close()
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE e (key UBIGINT NOT NULL, id UINTEGER NOT NULL)`); err != nil {
		return err
	}
	if err := load(connector, os.Args[1]); err != nil {
		return err
	}
	for range turns {
		start := time.Now()
		var n int
		if err := db.QueryRow(pairs).Scan(&n); err != nil {
			return err
		}
		fmt.Println(n, time.Since(start).Seconds())
	}
	return nil
}

func load(connector *duckdb.Connector, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	conn, err := connector.Connect(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	to, err := duckdb.NewAppenderFromConn(conn, "", "e")
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		var b [12]byte
		if _, err := io.ReadFull(in, b[:]); err == io.EOF {
			return to.Close()
		} else if err != nil {
			return err
		}
		if err := to.AppendRow(binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint32(b[8:])); err != nil {
			return err
		}
	}
}
