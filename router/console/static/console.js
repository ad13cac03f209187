// All of our own script: keys, copy buttons, and the dot that says whether the page is fresh. Pages read and work without it.
(() => {
  'use strict'
  const dot = document.getElementById('dot')
  const search = document.querySelector('.search input')
  let lastNews = Date.now()
  let isLoggedOut = false

  // Screen readers hear the words of the first part, and only when they change. The second part counts seconds and is for eyes.
  const say = (state, words, age = '') => {
    if (!dot) return
    const [said, aged] = dot.children
    dot.dataset.state = state
    if (said.textContent !== words) said.textContent = words
    aged.textContent = age
  }
  document.addEventListener('htmx:sse:after:connection', () => { lastNews = Date.now(); isLoggedOut = false; say('live', 'live') })
  document.addEventListener('htmx:sse:after:message', () => {
    lastNews = Date.now()
    const paused = document.querySelector('main [data-paused]')
    say(paused ? 'paused' : 'live', paused ? 'paused' : 'live')
    const fresh = document.querySelector('main [data-as-of]')
    if (!fresh) return
    document.getElementById('as-of').textContent = fresh.dataset.asOf
    const troubles = document.querySelector('.trouble-count')
    if (troubles.textContent !== fresh.dataset.troubles) troubles.textContent = fresh.dataset.troubles
    troubles.classList.toggle('has-some', parseInt(fresh.dataset.troubles) > 0)
  })
  const lost = () => isLoggedOut ? say('lost', 'logged out: load this page again')
    : say('lost', `not connected since ${new Date(lastNews).toISOString().slice(11, 19)} UTC`, `, ${Math.round((Date.now() - lastNews) / 1000)} s old`)
  document.addEventListener('htmx:sse:error', (event) => { isLoggedOut = event.detail.status === 401; lost() })
  document.addEventListener('htmx:sse:close', lost)
  setInterval(() => { if (dot && dot.dataset.state === 'lost') lost() }, 1000)

  // A page that came over plain HTTP from another machine has no clipboard, or may not write to it: the old way works there.
  const copyOfOld = (text) => {
    const area = document.body.appendChild(document.createElement('textarea'))
    area.value = text
    area.select()
    const isCopied = document.execCommand('copy')
    area.remove()
    return isCopied
  }
  const copied = (text) => navigator.clipboard ? navigator.clipboard.writeText(text).then(() => true, () => copyOfOld(text)) : copyOfOld(text)
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy]')
    if (!button || button.dataset.before) return
    button.dataset.before = button.textContent
    button.textContent = await copied(button.dataset.copy) ? 'copied' : 'not copied'
    setTimeout(() => { button.textContent = button.dataset.before; delete button.dataset.before }, 1200)
  })

  let previous = ''
  const linkOf = (row) => row.querySelector('th a') || row.querySelector('a')
  const rows = () => [...document.querySelectorAll('main tbody tr')].filter(linkOf)
  const move = (by) => {
    const all = rows()
    if (!all.length) return
    const at = all.findIndex((row) => row.getAttribute('aria-selected') === 'true')
    const next = all[Math.max(0, Math.min(all.length - 1, at + by))]
    all.forEach((row) => row.removeAttribute('aria-selected'))
    next.setAttribute('aria-selected', 'true')
    linkOf(next).focus()
  }
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input, textarea, select')
    if (event.key === 'Escape' && typing) typing.blur()
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return
    const key = event.key
    if (key === '/' && search) { event.preventDefault(); search.focus() }
    else if (key === 'j') move(1)
    else if (key === 'k') move(-1)
    else if (previous === 'g' && key === 'o') location.href = '/'
    else if (previous === 'g' && key === 'l') location.href = '/events'
    else if (key === ' ' && document.getElementById('pause') && !event.target.closest('a, button, summary')) { event.preventDefault(); document.getElementById('pause').click() }
    else if (key === '?') document.getElementById('keys').showModal()
    previous = key
  })

  // Charts: drawn from numbers where uPlot is there. The drawing of the server stands until then; a stream leaves ours alone.
  const plots = new Map()
  const SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 172800]
  const told = (unit) => (_, value) => value == null ? '–' : unit !== 's' ? value.toLocaleString('en')
    : value < 120 ? `${+value.toPrecision(3)} s` : value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`
  // A value between two gaps has no line: it is a point, however close the others stand.
  const alone = (plot, n, allAreShown) => allAreShown ? null
    : plot.data[n].flatMap((value, at, all) => value != null && all[at - 1] == null && all[at + 1] == null ? [at] : [])
  const make = (figure, lines, data) => {
    const colour = (element) => getComputedStyle(element).stroke
    const unit = figure.dataset.unit, say = told(unit)
    const width = () => ({ width: figure.clientWidth, height: 170 })
    const axis = { stroke: getComputedStyle(figure.querySelector('.axis')).color, grid: { stroke: colour(figure.querySelector('.grid')), width: 1 }, ticks: { show: false } }
    const plot = new uPlot({
      ...width(), cursor: { sync: { key: 'charts' } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), 'Etc/UTC'),
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      axes: [
        { ...axis, size: 30, values: (_, ticks, __, ___, step) => ticks.map((at) => uPlot.fmtDate(step < 86400 ? '{HH}:{mm}' : '{DD} {MMM}')(uPlot.tzDate(new Date(at * 1e3), 'Etc/UTC'))) },
        { ...axis, size: 56, incrs: unit === 's' ? SECONDS : undefined, values: (_, ticks) => ticks.map((tick) => say(_, tick)) },
      ],
      series: [{ value: '{YYYY}-{MM}-{DD} {HH}:{mm} UTC' }, ...lines.map((line) => ({ label: line.dataset.label, stroke: colour(line), width: 1.5, value: say, points: { size: 4, filter: alone } }))],
    }, data, figure)
    figure.classList.add('drawn')
    figure.setAttribute('hx-morph-skip', '')
    plots.set(figure, plot)
  }
  const draw = async () => {
    const box = document.querySelector('[data-series]')
    if (!box || !window.uPlot || document.hidden) return
    const answer = await fetch(box.dataset.series)
    if (!answer.ok || answer.redirected) return
    const { times, columns } = await answer.json()
    for (const figure of box.querySelectorAll('figure.chart')) {
      const lines = [...figure.querySelectorAll('[data-column]')]
      const known = (values) => figure.dataset.unit === 'events' ? [...values.slice(0, -1), null] : values // the last point is not over
      const data = [times, ...lines.map((line) => known(columns[line.dataset.column] || times.map(() => null)))]
      if (plots.has(figure)) plots.get(figure).setData(data)
      else make(figure, lines, data)
    }
  }
  const again = () => { plots.forEach((plot) => plot.destroy()); plots.clear(); draw() }
  if (document.querySelector('[data-series]')) {
    draw()
    setInterval(draw, 10000)
    addEventListener('resize', () => plots.forEach((plot, figure) => plot.setSize({ width: figure.clientWidth, height: 170 })))
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again)
  }
})()
