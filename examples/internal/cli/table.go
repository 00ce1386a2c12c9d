package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// minColumn is the width below which a column is not narrowed.
const minColumn = 8

// A Cell is a text in a Table, with a color that adds no meaning to it.
type Cell struct {
	Text  string
	Color Color
}

// Table prints rows in columns. If the Env has a width, columns are narrowed until the
// table fits, the widest first, and cells are wrapped at words.
func (e *Env) Table(w io.Writer, header []string, rows [][]Cell) {
	first := make([]Cell, len(header))
	for i, h := range header {
		first[i] = Cell{h, Bold}
	}
	widths := make([]int, len(header))
	table := make([][]Cell, 0, len(rows)+1)
	for _, row := range slices.Concat([][]Cell{first}, rows) {
		escaped := make([]Cell, len(row))
		for i, c := range row {
			escaped[i] = Cell{Escape(c.Text), c.Color}
			widths[i] = max(widths[i], utf8.RuneCountInString(escaped[i].Text))
		}
		table = append(table, escaped)
	}
	e.narrow(widths)
	for _, row := range table {
		e.printRow(w, row, widths)
	}
}

const columnGap = 2

// narrow reduces widths until they and the gaps fit.
func (e *Env) narrow(widths []int) {
	if e.Width <= 0 {
		return
	}
	total := columnGap * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	for ; total > e.Width; total-- {
		widest := 0
		for i, n := range widths {
			if n > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= minColumn {
			return
		}
		widths[widest]--
	}
}

func (e *Env) printRow(w io.Writer, row []Cell, widths []int) {
	cells := make([][]string, len(row))
	height := 0
	for i, c := range row {
		cells[i] = strings.Split(Wrap(c.Text, widths[i], 0), "\n")
		height = max(height, len(cells[i]))
	}
	for n := range height {
		var b strings.Builder
		for i, lines := range cells {
			text := ""
			if n < len(lines) {
				text = lines[n]
			}
			padding := widths[i] - utf8.RuneCountInString(text) + columnGap
			b.WriteString(e.Paint(row[i].Color, text) + strings.Repeat(" ", max(1, padding)))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
