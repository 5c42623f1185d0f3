package plan

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
)

func TestFewRowsAreReadOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var order []int
	var tasks []task
	for i := range 5 {
		// Without a lock: the race detector sees what runs beside it.
		tasks = append(tasks, task{func(context.Context) error { order = append(order, i); return nil }, fewRows})
	}
	tasks[3].rows = manyRows
	require.NoError(t, atOnce(t.Context(), tasks))
	require.Equal(t, []int{0, 1, 2, 3, 4}, order)
	require.NoError(t, atOnce(t.Context(), nil))

	wrong := errors.New("wrong")
	tasks[1].run = func(context.Context) error { return wrong }
	order = nil
	require.ErrorIs(t, atOnce(t.Context(), tasks), wrong)
	require.Equal(t, []int{0}, order, "what comes after an error is not run")
}

func TestManyRowsAreReadConcurrently(t *testing.T) {
	t.Parallel()
	// Each waits for the others, so it ends only when all branches run at once; and there are never more.
	var together sync.WaitGroup
	together.Add(branches)
	var mu sync.Mutex
	var running, most, done int
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		running += n
		most = max(most, running)
	}
	tasks := make([]task, 4*branches)
	for i := range tasks {
		tasks[i] = task{func(context.Context) error {
			count(1)
			defer count(-1)
			if i < branches {
				together.Done()
				together.Wait()
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			return nil
		}, manyRows}
	}
	require.NoError(t, atOnce(t.Context(), tasks))
	require.Equal(t, len(tasks), done)
	require.Equal(t, branches, most)
}

func TestAnErrorEndsTheOtherBranches(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	for at := range branches {
		tasks := make([]task, branches)
		for i := range tasks {
			tasks[i] = task{func(ctx context.Context) error {
				if i == at {
					return wrong
				}
				<-ctx.Done()
				return ctx.Err()
			}, manyRows}
		}
		err := atOnce(t.Context(), tasks)
		// The caller runs one of the branches itself, and may be the one that was ended.
		require.True(t, errors.Is(err, wrong) || errors.Is(err, context.Canceled), "%v", err)
	}
}

// A panic in a branch would end the process, and while other branches run it would free the tables that they fill.
func TestAPanicInABranchIsAnError(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, manyRows} {
		for at := range 2 * branches {
			var causes []any
			ctx := graphql.WithOperationContext(t.Context(), &graphql.OperationContext{RecoverFunc: func(_ context.Context, cause any) error {
				causes = append(causes, cause)
				return errors.New("recovered")
			}})
			var running atomic.Int32
			tasks := make([]task, 2*branches)
			for i := range tasks {
				tasks[i] = task{func(ctx context.Context) error {
					running.Add(1)
					defer running.Add(-1)
					if i == at {
						panic("a value of a row")
					}
					return ctx.Err()
				}, rows}
			}
			err := atOnce(ctx, tasks)
			require.True(t, err != nil && err.Error() == "recovered" || errors.Is(err, context.Canceled), "%v", err)
			require.Zero(t, running.Load(), "whoever waits for them may free what they use")
			require.Equal(t, []any{"a value of a row"}, causes)
		}
	}
}
