// Package check holds the checks of texts, ids, times and words that customers and what belongs to them are sent with.
package check
