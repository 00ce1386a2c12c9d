package enumerate

import "github.com/smartlogon/smartlogon/internal/cardapp"

// Add adds an application to those that f looks for.
func (f *Finder) Add(k cardapp.Kind) { f.more = append(f.more, k) }
