// Package bulk runs imports, which apply each line of an uploaded file, and exports, which write a list into a file, of any size.
// A [Kind] defines what a line means, and an [Exporter] what a file holds; this package reads, divides, resumes, counts and
// reports.
//
// An import reads its file twice. The first pass, CHECKING, looks at the keys alone and refuses the file when one
// is not permitted: nothing is written then. The second, RUNNING, applies chunks of lines, each in one transaction
// that also writes the chunk's row:
//
//	PENDING ──► CHECKING ──► RUNNING ──► COMPLETED
//	   │           │  └─► REFUSED │ └──► FAILED
//	   └───────────┴──────────────┴────► CANCELLED
//
// What holds:
//
//   - Every line has exactly one outcome, and its effects happen exactly once. A chunk's row is committed with its effects,
//     so a process that resumes knows what is left; and the commit checks the lease, so a process whose lease has run out
//     commits nothing more.
//   - Lines with the same key act in the order of the file. Chunks run concurrently only when they share no key.
//   - Memory does not depend on the size of the file: a chunk is bounded in lines and bytes, a line in bytes.
//   - Results hold no personal values: only the integrator's keys, our ids, and what was wrong.
package bulk
