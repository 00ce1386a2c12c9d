// Package chart draws bar charts as SVG, for light and for dark pages.
package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Panel is one chart. Panels are drawn below each other on one scale.
type Panel struct {
	Title string
	Bars  []Bar
}

// A Bar is one value, in milliseconds.
type Bar struct {
	Name   string
	Value  float64 // negative if there is none
	Accent bool    // draw it in the color that stands out
}

// A theme holds the colors for one kind of page.
type theme struct {
	name                     string
	page, text, line, accent color.Color
}

var themes = []theme{
	{"light", color.White, rgb(0x1f2328), rgb(0xafb8c1), rgb(0x0969da)},
	{"dark", rgb(0x0d1117), rgb(0xe6edf3), rgb(0x57606a), rgb(0x4493f8)},
}

func rgb(c uint32) color.Color {
	return color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 0xff}
}

const (
	width   = 640
	height  = 160 // of a panel
	barSize = 15
)

// Write writes chart-light.svg and chart-dark.svg.
func Write(dir string, panels []Panel) error {
	for _, t := range themes {
		if err := t.write(filepath.Join(dir, "chart-"+t.name+".svg"), panels); err != nil {
			return err
		}
	}
	return nil
}

func (t theme) write(file string, panels []Panel) error {
	most := 0.0
	for _, p := range panels {
		for _, b := range p.Bars {
			most = max(most, b.Value)
		}
	}
	canvas := vgsvg.New(width, vg.Length(height*len(panels)))
	page := draw.New(canvas)
	page.SetColor(t.page)
	page.Fill(page.Rectangle.Path())
	rows := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		drawn, err := t.plot(p, most)
		if err != nil {
			return err
		}
		rows[i] = []*plot.Plot{drawn}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: 8, PadBottom: 8, PadLeft: 12, PadRight: 12, PadY: 8}
	for i, row := range plot.Align(rows, tiles, page) {
		rows[i][0].Draw(row[0])
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	// A browser without the font takes one of the same widths.
	text := bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(file, text, 0o644)
}

func (t theme) plot(p Panel, most float64) (*plot.Plot, error) {
	drawn := plot.New()
	drawn.BackgroundColor = t.page
	drawn.Title.Text = p.Title
	drawn.Title.TextStyle.Color = t.text
	drawn.Title.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 13}
	drawn.Title.Padding = 4
	drawn.HideX()
	drawn.X.Min, drawn.X.Max = 0, most*1.15 // room for the number at the longest bar
	drawn.Y.LineStyle.Width = 0
	drawn.Y.Tick.Length = 0
	drawn.Y.Padding = 12 // for fonts that are wider
	drawn.Y.Tick.Label.Color = t.text
	drawn.Y.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}

	bars := slices.Clone(p.Bars)
	slices.Reverse(bars) // the axis begins at the bottom
	names := make([]string, len(bars))
	for i, b := range bars {
		names[i] = b.Name
		label := "–"
		if b.Value >= 0 {
			label = fmt.Sprintf("%.0f ms", b.Value)
		}
		bar, err := plotter.NewBarChart(plotter.Values{max(b.Value, 0)}, barSize)
		if err != nil {
			return nil, err
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width = true, float64(i), 0
		bar.Color = t.line
		if b.Accent {
			bar.Color = t.accent
		}
		text, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: max(b.Value, 0), Y: float64(i)}}, Labels: []string{label}})
		if err != nil {
			return nil, err
		}
		text.TextStyle[0].Color = t.text
		text.TextStyle[0].Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
		text.TextStyle[0].YAlign = draw.YCenter
		text.Offset.X = 4
		drawn.Add(bar, text)
	}
	drawn.NominalY(names...)
	drawn.X.Min, drawn.X.Max = 0, most*1.15
	drawn.Y.Min, drawn.Y.Max = -0.6, float64(len(bars))-0.4
	return drawn, nil
}
