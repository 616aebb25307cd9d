//! The plots: bars for each workload, and lines for what grows. The colours have medium brightness on a transparent background,
//! so that they can be read on light and dark pages.

use std::{error::Error, path::Path};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    figures::{Bars, Lines},
    is_peer, is_rust_peer, number,
};
use crate::samples::Samples;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Done = Result<(), Box<dyn Error>>;

const TEXT: RGBColor = RGBColor(128, 136, 146);
const OURS: RGBColor = RGBColor(47, 129, 247);
const PEER: RGBColor = RGBColor(150, 158, 168);
const BATCHED: RGBColor = RGBColor(163, 113, 247);
const LIMIT: RGBColor = RGBColor(63, 160, 90);

/// The size of one panel.
const WIDTH: u32 = 440;
const NAMES: i32 = 170;
const VALUES: i32 = 56;
const BAR: i32 = 17;
const HEAD: i32 = 30;

/// Bars that are longer than this multiple of the best peer's are cut.
const CUT: f64 = 2.5;

fn colour(subject: &str) -> RGBColor {
    if subject.starts_with("ours") {
        OURS
    } else if subject.ends_with("batched") {
        BATCHED
    } else if is_peer(subject) {
        PEER
    } else {
        LIMIT
    }
}

fn text(size: i32, colour: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size).into_font());
    style.color = colour.to_backend_color();
    style.pos(Pos::new(horizontal, VPos::Center))
}

/// A panel for each workload, with the smallest value on top.
pub fn bars(samples: &Samples, plot: &Bars, directory: &Path) -> Done {
    let mut panels = Vec::new();
    for (title, workload) in plot.workloads {
        let mut bars: Vec<(&str, f64)> = samples
            .rows(plot.section, workload, plot.metric)
            .map(|sample| (sample.subject.as_str(), sample.median()))
            .collect();
        bars.sort_by(|a, b| a.1.total_cmp(&b.1));
        panels.push((title, bars));
    }
    let most = panels.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    let height = HEAD + most as i32 * BAR + 10;
    let size = (WIDTH * columns as u32, 28 + height as u32 * rows as u32);
    let path = directory.join(format!("{}.svg", plot.name));
    let root = SVGBackend::new(&path, size).into_drawing_area();
    root.draw(&Text::new(plot.title, (8, 14), text(17, TEXT, HPos::Left)))?;
    let (_, below) = root.split_vertically(28);
    for (area, (title, bars)) in below.split_evenly((rows, columns)).iter().zip(panels) {
        panel(area, title, &bars)?;
    }
    root.present()?;
    Ok(())
}

fn panel(area: &Area<'_>, title: &str, bars: &[(&str, f64)]) -> Done {
    area.draw(&Text::new(title, (8, HEAD / 2), text(14, TEXT, HPos::Left)))?;
    let best = bars.iter().filter(|(name, _)| is_rust_peer(name)).map(|bar| bar.1);
    let best = best.fold(f64::INFINITY, f64::min);
    let longest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max).min(best * CUT);
    let room = f64::from(WIDTH as i32 - NAMES - VALUES - 16);
    for (i, (name, value)) in bars.iter().enumerate() {
        let top = HEAD + i as i32 * BAR;
        let middle = top + BAR / 2;
        let end = NAMES + (room * (value / longest).min(1.0)) as i32;
        let colour = colour(name);
        area.draw(&Text::new(*name, (NAMES - 6, middle), text(12, TEXT, HPos::Right)))?;
        area.draw(&Rectangle::new(
            [(NAMES, top + 2), (end, top + BAR - 2)],
            colour.filled(),
        ))?;
        let is_cut = *value > longest;
        let label = if is_cut {
            format!("… {}", number(*value))
        } else {
            number(*value)
        };
        area.draw(&Text::new(label, (end + 4, middle), text(12, TEXT, HPos::Left)))?;
    }
    Ok(())
}

/// A line for each subject, over growing workloads.
pub fn lines(samples: &Samples, plot: &Lines, directory: &Path) -> Done {
    let mut series: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for (x, workload) in plot.points {
        for sample in samples.rows(plot.section, workload, plot.metric) {
            let point = (*x, sample.median());
            match series.iter_mut().find(|(name, _)| *name == sample.subject) {
                Some((_, points)) => points.push(point),
                None => series.push((&sample.subject, vec![point])),
            }
        }
    }
    series.retain(|(name, points)| points.len() > 1 && plot.subjects.contains(name));
    let values = || {
        series
            .iter()
            .flat_map(|(_, points)| points.iter().map(|point| point.1.max(plot.floor)))
    };
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let (Some(first), Some(last)) = (plot.points.first(), plot.points.last()) else {
        return Ok(());
    };
    if series.is_empty() {
        return Ok(());
    }
    let path = directory.join(format!("{}.svg", plot.name));
    let root = SVGBackend::new(&path, (WIDTH * 2, 360)).into_drawing_area();
    root.draw(&Text::new(plot.title, (8, 14), text(17, TEXT, HPos::Left)))?;
    let (_, below) = root.split_vertically(28);
    let mut chart = ChartBuilder::on(&below)
        .margin_right(190)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d((first.0..last.0).log_scale(), (low * 0.8..high * 1.2).log_scale())?;
    let axis = |value: &f64| match number(*value) {
        text if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        text => text,
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(TEXT)
        .label_style(("sans-serif", 12).into_font().color(&TEXT))
        .x_label_formatter(&axis)
        .y_label_formatter(&axis)
        .x_desc(plot.x)
        .draw()?;
    let mut labels: Vec<(i32, &str, RGBColor)> = Vec::new();
    for (name, points) in &series {
        let colour = colour(name);
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x, y.max(plot.floor))).collect();
        let width = if is_peer(name) { 1 } else { 2 };
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
        if let Some(end) = points.last() {
            labels.push((chart.backend_coord(end).1, name, colour));
        }
    }
    // Each line is labelled at its end; labels that would overlap move down.
    labels.sort_unstable_by_key(|label| label.0);
    let mut lowest = 0;
    for (y, name, colour) in labels {
        let y = y.max(lowest + 13);
        lowest = y;
        let at = (WIDTH as i32 * 2 - 182, y);
        root.draw(&Text::new(name, at, text(12, colour, HPos::Left)))?;
    }
    root.present()?;
    Ok(())
}
