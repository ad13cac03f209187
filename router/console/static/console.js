// All of our own script: keys, copy buttons, and the dot that says whether the page is fresh. Pages read and work without it.
(() => {
  'use strict'
  const dot = document.getElementById('dot')
  const search = document.querySelector('.search input')
  let lastNews = Date.now()

  const say = (state, words) => {
    if (dot && (dot.dataset.state !== state || state === 'lost')) {
      dot.dataset.state = state
      dot.textContent = words
    }
  }
  document.addEventListener('htmx:sse:after:connection', () => { lastNews = Date.now(); say('live', 'live') })
  document.addEventListener('htmx:sse:after:message', () => {
    lastNews = Date.now()
    const paused = document.querySelector('main [data-paused]')
    say(paused ? 'paused' : 'live', paused ? 'paused' : 'live')
    const fresh = document.querySelector('main [data-as-of]')
    if (fresh) document.getElementById('as-of').textContent = fresh.dataset.asOf
  })
  const lost = () => say('lost', `not connected, ${Math.round((Date.now() - lastNews) / 1000)} s old`)
  document.addEventListener('htmx:sse:error', lost)
  document.addEventListener('htmx:sse:close', lost)
  setInterval(() => { if (dot && dot.dataset.state === 'lost') lost() }, 1000)

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy]')
    if (!button) return
    await navigator.clipboard.writeText(button.dataset.copy)
    const before = button.textContent
    button.textContent = 'copied'
    setTimeout(() => { button.textContent = before }, 1200)
  })

  let previous = ''
  const rows = () => [...document.querySelectorAll('main tbody tr')]
  const move = (by) => {
    const all = rows()
    if (!all.length) return
    const at = all.findIndex((row) => row.getAttribute('aria-selected') === 'true')
    const next = all[Math.max(0, Math.min(all.length - 1, at + by))]
    all.forEach((row) => row.removeAttribute('aria-selected'))
    next.setAttribute('aria-selected', 'true')
    const link = next.querySelector('a')
    if (link) link.focus()
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
    else if (key === '?') document.querySelector('.keys').scrollIntoView()
    previous = key
  })
})()
