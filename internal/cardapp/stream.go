package cardapp

import (
	"context"
	"iter"
	"sync"
)

// Stream yields what fill emits. fill runs in another goroutine and does not wait for
// the caller, so that a transaction in fill does not last while the caller works on a
// result. A break cancels the context of fill and waits for it.
func Stream[T any](ctx context.Context, fill func(ctx context.Context, emit func(T, error))) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		q := &queue[T]{more: make(chan struct{}, 1)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			fill(ctx, q.put)
		}()
		defer func() { // yield may panic
			cancel()
			<-done
		}()
		for ended := false; !ended; {
			select {
			case <-q.more:
			case <-done:
				ended = true
			}
			results := q.takeAll()
			for _, r := range results {
				if !yield(r.value, r.err) {
					return
				}
			}
			q.reuse(results)
		}
	}
}

type result[T any] struct {
	value T
	err   error
}

// A queue is unbounded: fill emits a bounded number of results.
type queue[T any] struct {
	more chan struct{} // holds a token if results may have been put

	mu      sync.Mutex
	results []result[T]
	free    []result[T] // memory for the next results
}

func (q *queue[T]) put(value T, err error) {
	q.mu.Lock()
	q.results = append(q.results, result[T]{value, err})
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue[T]) takeAll() []result[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	results := q.results
	q.results, q.free = q.free, nil
	return results
}

// reuse gives back what takeAll returned.
func (q *queue[T]) reuse(results []result[T]) {
	clear(results)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free = results[:0]
}
