// Command reset deletes the data of Caseload's own PostgreSQL; `make db/reset` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"caseload/internal/devdb"
)

func main() {
	dir := flag.String("dir", ".caseload", "the folder that holds the data")
	flag.Parse()
	if err := devdb.Remove(context.Background(), devdb.Options{Dir: *dir}); err != nil {
		fmt.Fprintln(os.Stderr, "caseload:", err)
		os.Exit(1)
	}
	fmt.Println("The data is gone; the next `make run` begins anew.")
}
