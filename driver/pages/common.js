'use strict';
/* What the pages of hnnc share: elements, numbers, themes. */

/* h('td.n', {title: 'x'}, 'text', node, ...): an element with classes. */
function h(what, attrs, ...children) {
  const [tag, ...classes] = what.split('.');
  const e = document.createElement(tag || 'div');
  if (classes.length) e.className = classes.join(' ');
  for (const [k, v] of Object.entries(attrs || {})) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (v !== undefined && v !== null && v !== false) e.setAttribute(k, v === true ? '' : v);
  }
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined) e.append(c);
  return e;
}

function svg(tag, attrs, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [k, v] of Object.entries(attrs || {})) k.startsWith('on') ? e.addEventListener(k.slice(2), v) : e.setAttribute(k, v);
  e.append(...children);
  return e;
}

/* A number as people read it; texts (nan, inf) as they are. */
function number(v, digits = 4) {
  if (v === null || v === undefined) return '';
  if (typeof v === 'string') return v;
  if (v === 0) return '0';
  const a = Math.abs(v);
  if (Number.isInteger(v) && a < 1e6) return String(v);
  return a >= 1e-3 && a < 1e5 ? String(+v.toPrecision(digits)) : v.toExponential(digits - 2).replace('e+', 'e');
}

function large(n) {
  return n >= 1e9 ? +(n / 1e9).toPrecision(3) + ' G' : n >= 1e6 ? +(n / 1e6).toPrecision(3) + ' M' : n >= 1e4 ? +(n / 1e3).toPrecision(3) + ' k' : String(n);
}

function themed(button) {
  const set = dark => document.documentElement.classList.toggle('dark', dark);
  let before = false; // paper is white
  addEventListener('beforeprint', () => { before = document.documentElement.classList.contains('dark'); set(false); });
  addEventListener('afterprint', () => set(before));
  set(matchMedia('(prefers-color-scheme: dark)').matches);
  button.addEventListener('click', () => set(!document.documentElement.classList.contains('dark')));
}

/* The data of the page, which lie in it as gzip in base64. */
async function pageData() {
  const text = atob(document.getElementById('data').textContent), bytes = Uint8Array.from(text, c => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}
