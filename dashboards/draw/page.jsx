// Draws one dashboard from query results with Grafana's own components. Panels that are plugins and
// not in Grafana's library (table, heatmap, state timeline) are drawn plainly here.

import React from 'react';
import { createRoot } from 'react-dom/client';
import { FieldType, ThemeContext, createTheme, dateTime, getDisplayProcessor, toDataFrame } from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries } from '@grafana/ui';

const { dashboard, results, fromMs, toMs, note, mode } = window.DRAWN;
const theme = createTheme({ colors: { mode } });
const WIDTH = 1600;
const GAP = 8;
const CELL = 30;
const HEADER = 38;

const legendOf = (target, labels) =>
  target.legendFormat === '__auto'
    ? Object.values(labels).join(' ')
    : target.legendFormat.replace(/{{(\w+)}}/g, (_, name) => labels[name] ?? '').replace(/ +/g, ' ').trim();

const number = (text) => (Number.isFinite(Number(text)) ? Number(text) : null);

const configOf = (panel, extra) => ({
  ...panel.fieldConfig.defaults,
  thresholds: {
    ...panel.fieldConfig.defaults.thresholds,
    steps: panel.fieldConfig.defaults.thresholds.steps.map((s) => ({ ...s, value: s.value ?? -Infinity })),
  },
  ...extra,
});

const shown = (config, value) => getDisplayProcessor({ field: { type: FieldType.number, config }, theme })(value);

function timeFrames(panel) {
  const stepMs = results[panel.id].stepMs;
  const times = [];
  for (let at = fromMs; at <= toMs; at += stepMs) times.push(at);
  let index = 0;
  return panel.targets.flatMap((target, number_) =>
    results[panel.id].answers[number_].map(({ metric, values }) => {
      const at = new Map(values.map(([seconds, text]) => [Math.round(seconds * 1000), number(text)]));
      const config = configOf(panel, { displayNameFromDS: legendOf(target, metric) || target.refId });
      config.custom = { ...config.custom };
      for (const override of panel.fieldConfig.overrides) {
        if (override.matcher.id !== 'byFrameRefID' || override.matcher.options !== target.refId) continue;
        for (const { id, value } of override.properties) {
          if (id.startsWith('custom.')) config.custom[id.slice(7)] = value;
          else config[id] = value;
        }
      }
      const field = { name: 'Value', type: FieldType.number, values: times.map((t) => at.get(t) ?? null), config,
        labels: metric, state: { seriesIndex: index++ } };
      const frame = toDataFrame({ refId: target.refId, fields: [
        { name: 'Time', type: FieldType.time, values: times, config: { interval: stepMs } }, field ] });
      frame.fields.forEach((f) => { f.display = getDisplayProcessor({ field: f, theme, timeZone: 'utc' }); });
      frame.fields[1].state = field.state;
      return frame;
    })
  );
}

function Series({ panel, width, height }) {
  const frames = timeFrames(panel);
  if (!frames.length) return <Nothing panel={panel} />;
  const range = { from: dateTime(fromMs), to: dateTime(toMs), raw: { from: 'now-24h', to: 'now' } };
  // A table of a legend, as in Grafana, takes the room of the lines in a picture that nobody can scroll.
  const legend = { ...panel.options.legend, displayMode: 'list', calcs: [] };
  return <TimeSeries frames={frames} width={width} height={height} timeRange={range} timeZone="utc" legend={legend} />;
}

// What Grafana's transformation configFromData makes of the second query.
function aimed(panel) {
  const target = panel.transformations.length && results[panel.id].answers[1][0];
  if (!target) return configOf(panel);
  const steps = [{ value: -Infinity, color: 'green' }, { value: number(target.value[1]), color: 'red' }];
  return configOf(panel, { thresholds: { mode: 'absolute', steps } });
}

function Stat({ panel, width, height }) {
  const found = results[panel.id].answers[0][0];
  if (!found) return <Nothing panel={panel} />;
  const config = aimed(panel);
  const course = found.values?.map(([, text]) => number(text));
  const value = shown(config, Number(course ? found.values.at(-1)[1] : found.value[1]));
  const sparkline = course && { y: { name: 'Value', type: FieldType.number, values: course, config,
    state: { range: { min: 0, max: Math.max(...course), delta: Math.max(...course) } } },
    x: { name: 'Time', type: FieldType.time, values: found.values.map(([seconds]) => seconds * 1000), config: {} } };
  if (panel.targets[0].legendFormat !== '__auto') value.title = legendOf(panel.targets[0], found.metric);
  return <BigValue width={width} height={height} theme={theme} colorMode="value" graphMode={course ? 'area' : 'none'}
    justifyMode="auto" textMode={value.title ? 'value_and_name' : 'value'} value={value} sparkline={sparkline} />;
}

function Bars({ panel, width, height }) {
  const target = panel.targets[0];
  const found = results[panel.id].answers[0]
    .map(({ metric, value }) => [legendOf(target, metric), number(value[1])])
    .sort((a, b) => (panel.targets[0].expr.startsWith('bottomk') ? a[1] - b[1] : b[1] - a[1]));
  if (!found.length) return <Nothing panel={panel} />;
  const most = Math.max(...found.map(([, value]) => value)) || 1;
  const config = configOf(panel, { max: panel.fieldConfig.defaults.max ?? most });
  const each = Math.min(36, height / found.length - 4);
  return found.map(([name, value]) => (
    <div key={name} style={{ marginBottom: 4 }}>
      <BarGauge width={width} height={each} theme={theme} orientation="horizontal" displayMode="gradient" showUnfilled
        field={config} value={{ ...shown(config, value), title: name }} itemSpacing={8} text={panel.options.text}
        display={getDisplayProcessor({ field: { type: FieldType.number, config }, theme })} />
    </div>
  ));
}

const CELL_STYLE = { padding: '4px 10px', borderBottom: `1px solid ${theme.colors.border.weak}`, whiteSpace: 'nowrap' };

function Table({ panel, height }) {
  const { indexByName, renameByName } = panel.transformations.at(-1).options;
  const names = Object.keys(indexByName).sort((a, b) => indexByName[a] - indexByName[b]);
  const labels = names.filter((name) => !name.startsWith('Value'));
  const titles = names.filter((name) => name.startsWith('Value')).map((name) => renameByName[name]);
  const rows = new Map();
  results[panel.id].answers.forEach((answer, column) => answer.forEach(({ metric, value }) => {
    const key = labels.map((label) => metric[label] ?? '');
    const row = rows.get(key.join('\0')) ?? { key, cells: [] };
    row.cells[column] = Number(value[1]);
    rows.set(key.join('\0'), row);
  }));
  if (!rows.size) return <Nothing panel={panel} />;
  const sort = titles.indexOf(panel.options.sortBy[0].displayName);
  const sign = panel.options.sortBy[0].desc ? 1 : -1;
  const sorted = [...rows.values()].sort((a, b) => sign * ((b.cells[sort] ?? -1) - (a.cells[sort] ?? -1)));
  const configs = titles.map((title) => {
    const found = panel.fieldConfig.overrides.find((o) => o.matcher.options === title).properties;
    return configOf({ fieldConfig: { defaults: { thresholds: { steps: [] },
      mappings: panel.fieldConfig.defaults.mappings,
      ...Object.fromEntries(found.map(({ id, value }) => [id, value])) } } });
  });
  const cell = (value, column) => {
    if (value === null || value === undefined) return <td key={column} style={CELL_STYLE}></td>;
    const { text, prefix = '', suffix = '', color } = shown(configs[column], value);
    const style = { ...CELL_STYLE, textAlign: 'right', color: configs[column].color ? color : undefined };
    return <td key={column} style={style}>{prefix}{text}{suffix}</td>;
  };
  return (
    <div style={{ height, overflow: 'hidden' }}>
      <table style={{ width: '100%', fontSize: 13 }}>
        <thead><tr>{names.map((name) => (
          <th key={name} style={{ ...CELL_STYLE, color: theme.colors.primary.text, fontWeight: 500,
            textAlign: labels.includes(name) ? 'left' : 'right' }}>{renameByName[name] ?? name}</th>))}</tr></thead>
        <tbody>{sorted.map(({ key, cells }) => (
          <tr key={key.join('\0')}>{names.map((name) => (labels.includes(name)
            ? <td key={name} style={CELL_STYLE}>{key[labels.indexOf(name)]}</td>
            : cell(cells[titles.indexOf(renameByName[name])], titles.indexOf(renameByName[name]))))}</tr>))}</tbody>
      </table>
    </div>
  );
}

function Heatmap({ panel, width, height }) {
  const { answers, stepMs } = results[panel.id];
  const byBound = new Map(answers[0].map(({ metric, values }) => [Number(metric.le.replace('+Inf', 'Infinity')),
    new Map(values.map(([seconds, text]) => [Math.round(seconds * 1000), number(text)]))]));
  let bounds = [...byBound.keys()].sort((a, b) => a - b);
  if (!bounds.length) return <Nothing panel={panel} />;
  const counts = bounds.map((bound, i) => new Map([...byBound.get(bound)].map(([at, value]) =>
    [at, Math.max(0, value - (i ? byBound.get(bounds[i - 1]).get(at) ?? 0 : 0))])));
  const total = counts.map((column) => Math.max(0, ...column.values()));
  const last = total.findLastIndex((n) => n > 0.01);
  const rows = last + 1;
  const most = Math.max(...total);
  const left = 56, bottom = 22;
  const columns = Math.floor((toMs - fromMs) / stepMs) + 1;
  const [w, h] = [(width - left) / columns, (height - bottom) / rows];
  const cells = [];
  for (let row = 0; row < rows; row++) for (const [at, count] of counts[row]) {
    if (count < 0.01) continue;
    const strength = Math.sqrt(count / most);
    cells.push(<rect key={`${row} ${at}`} x={left + ((at - fromMs) / stepMs) * w} y={(rows - 1 - row) * h + 1}
      width={Math.max(1, w - 0.5)} height={h - 1} fill={`hsl(${40 - 25 * strength}, 95%, ${18 + 45 * strength}%)`} />);
  }
  const config = { unit: panel.options.yAxis.unit };
  const hour = (at) => new Date(at).toISOString().slice(11, 16);
  const label = { fill: theme.colors.text.secondary, fontSize: 11 };
  return (
    <svg width={width} height={height}>
      {cells}
      {bounds.slice(0, rows).map((bound, row) => {
        const { text, suffix = '' } = Number.isFinite(bound) ? shown(config, bound) : { text: '∞' };
        return row % Math.ceil(rows / 10) ? null : <text key={bound} x={left - 6} y={(rows - 1 - row) * h + 5} textAnchor="end" style={label}>{text}{suffix}</text>;
      })}
      {[0.1, 0.3, 0.5, 0.7, 0.9].map((share) => (
        <text key={share} x={left + share * (width - left)} y={height - 4} textAnchor="middle" style={label}>
          {hour(fromMs + share * (toMs - fromMs))}</text>))}
    </svg>
  );
}

function Timeline({ panel, width, height }) {
  const { answers, stepMs } = results[panel.id];
  if (!answers[0].length) return <Nothing panel={panel} />;
  const left = 300;
  const each = Math.min(26, (height - 4) / answers[0].length);
  return (
    <svg width={width} height={height}>
      {answers[0].map(({ metric, values }, row) => (
        <g key={row}>
          <text x={left - 8} y={row * each + each / 2 + 4} textAnchor="end" fontSize={12} fill={theme.colors.text.primary}>
            {legendOf(panel.targets[0], metric)}</text>
          {values.map(([seconds]) => (
            <rect key={seconds} x={left + ((seconds * 1000 - fromMs) / (toMs - fromMs)) * (width - left - 10)} y={row * each + 2}
              width={((width - left) * stepMs) / (toMs - fromMs) + 0.5} height={each - 4} fill="#F2495C" />))}
        </g>))}
    </svg>
  );
}

const Nothing = ({ panel }) => (
  <div style={{ color: theme.colors.text.secondary, textAlign: 'center', paddingTop: 20 }}>{panel.fieldConfig.defaults.noValue}</div>
);

const KINDS = { timeseries: Series, stat: Stat, bargauge: Bars, table: Table, heatmap: Heatmap, 'state-timeline': Timeline };

function Placed({ panel, top }) {
  const { x, y, w, h } = panel.gridPos;
  const unit = WIDTH / 24;
  const [width, height] = [w * unit - GAP, h * (CELL + GAP) - GAP];
  const at = { position: 'absolute', left: x * unit + GAP / 2, top: top + y * (CELL + GAP), width, height };
  if (panel.type === 'row') return <div style={{ ...at, fontSize: 16, fontWeight: 500, paddingTop: 4 }}>⌄ {panel.title}</div>;
  const Kind = KINDS[panel.type];
  return (
    <div style={at}>
      <PanelChrome title={panel.title} width={width} height={height}>
        {(innerWidth, innerHeight) => <Kind panel={panel} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

function Page() {
  const open = dashboard.panels.filter((panel) => !panel.collapsed);
  const bottom = Math.max(...open.map(({ gridPos }) => gridPos.y + gridPos.h));
  const variables = dashboard.templating.list.filter((v) => !v.hide && v.type === 'query');
  return (
    <div style={{ position: 'relative', width: WIDTH, height: 78 + bottom * (CELL + GAP) + 8, background: theme.colors.background.canvas }}>
      <div style={{ padding: '10px 12px 0', fontSize: 20, fontWeight: 500 }}>{dashboard.title}
        <span style={{ float: 'right', fontSize: 12, color: theme.colors.text.secondary, paddingTop: 6 }}>{note}</span></div>
      <div style={{ padding: '8px 12px', display: 'flex', gap: 6, fontSize: 12 }}>
        {variables.map((v) => (
          <span key={v.name} style={{ border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, padding: '3px 8px' }}>
            <span style={{ color: theme.colors.text.secondary }}>{v.label}</span> All</span>))}
      </div>
      {open.map((panel) => <Placed key={panel.id} panel={panel} top={72} />)}
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}><GlobalStyles isExtensionSidebarOpen={false} /><Page /></ThemeContext.Provider>
);
