// Package bulk works on files of any size: imports, which apply each line of an uploaded file, and exports,
// which write a list into a file. What a line means is a [Kind]'s business, and what a list holds an
// [Exporter]'s; this package reads, divides, resumes, counts and reports.
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
//   - Every line has exactly one outcome, and its effects are there exactly once. A chunk's row is committed with
//     its effects, so whoever resumes knows what is left; and the commit is fenced by the lease, so somebody who was
//     thought dead commits nothing more.
//   - Lines with the same key act in the order of the file. Chunks run side by side only when they share no key.
//   - Memory does not depend on the size of the file: a chunk is bounded in lines and bytes, a line in bytes.
//   - Results hold no personal values: only the integrator's keys, our ids, and what was wrong.
package bulk
