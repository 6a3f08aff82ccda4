// Land in buff; a circle for each country, whose area is the number; and the number beside it, as soundings stand on a
// chart. The list beside the map has the same figures, so a circle without room for its number loses nothing.

import { CODE_OF_SHAPE, POINT_OF, countryName, middleOf } from './countries.js';
import { h, onResize, onShown, rem, s } from './dom.js';
import { int } from './format.js';

// d3-geo's module imports the bare name d3-array, for which an inline import map would be needed: so the UMD files.
const LIBRARIES = ['d3-array.min.js', 'd3-geo.min.js', 'topojson-client.min.js'];
const ANTARCTICA = '010';
const EDGE = [[-168, 0], [178, 0], [0, 76], [0, -54], [-120, 70], [150, 68], [-68, -54], [170, -46]];
const LARGEST_PX = 23;
const LEAST_PX = 1.8;
const LABELLED_FROM = 0.55;

let world = null;

/** The shapes, loaded once; where that failed, the next map tries again. */
function loadWorld() {
  world ??= readWorld().catch((problem) => {
    world = null;
    throw problem;
  });
  return world;
}

async function readWorld() {
  const scripts = LIBRARIES.map((name) => loadScript(`vendor/${name}`));
  const [answer] = await Promise.all([fetch('vendor/countries-110m.json'), ...scripts]);
  const atlas = await answer.json();
  const { countries } = atlas.objects;
  return {
    shapes: topojson.feature(atlas, countries).features.filter((shape) => shape.id !== ANTARCTICA),
    borders: topojson.mesh(atlas, countries, (one, other) => one !== other),
  };
}

function loadScript(source) {
  return new Promise((resolve, reject) => {
    const element = h('script', { src: source, onload: resolve, onerror: () => reject(new Error(`no ${source}`)) });
    element.async = false; // in their order, each needs the one before
    document.head.append(element);
  });
}

const codeOf = (shape) => CODE_OF_SHAPE.get(shape.id ?? shape.properties.name);

/** `el` is its element; `destroy` it when it goes. */
export class WorldMap {
  /** @param {function(string, boolean)} onPick a country's code, and whether it is to be excluded (alt-click) */
  constructor(onPick) {
    this.onPick = onPick;
    this.rows = [];
    this.picked = null;
    this.svg = s('svg', { role: 'img', 'aria-label': 'Visitors by country; the list of countries has these figures' });
    this.el = h('div.map', {}, this.svg);
    this.unfit = onResize(this.el, () => this.layout());
    this.alive = true;
    const failed = (problem) => this.el.replaceChildren(`No map: ${problem.message}`);
    // A third of all that the page loads, and below what is seen first.
    this.unseen = onShown(this.el, () => loadWorld().then((found) => this.arrived(found), failed));
  }

  destroy() {
    this.alive = false;
    this.unseen();
    this.unfit();
  }

  /**
   * Shows the numbers.
   * @param {Array<[string, number]>} rows a country's code and its number
   * @param {string|null} picked the country of the filter
   */
  set(rows, picked) {
    const same = picked === this.picked && JSON.stringify(rows) === JSON.stringify(this.rows);
    this.rows = rows;
    this.picked = picked;
    if (!same) {
      this.paint();
    }
  }

  arrived(found) {
    this.world = found;
    if (this.alive) {
      this.layout();
    }
  }

  layout() {
    const { clientWidth: width, clientHeight: height } = this.el;
    if (!this.world || !width || !height) {
      return;
    }
    const extent = [[2, 4], [width - 2, height - 4]];
    const edge = { type: 'MultiPoint', coordinates: EDGE };
    this.project = d3.geoEqualEarth().rotate([-11, 0]).fitExtent(extent, edge);
    this.scale = Math.min(width, height * 2) / 900;
    const path = d3.geoPath(this.project).digits(1);
    for (const [name, value] of [['viewBox', `0 0 ${width} ${height}`], ['width', width], ['height', height]]) {
      this.svg.setAttribute(name, value);
    }
    this.dots = s('g', {});
    this.labels = s('g', {});
    this.svg.replaceChildren(
      s('path', { d: path(d3.geoGraticule10()), class: 'grat' }),
      this.land(path),
      s('path', { d: path(this.world.borders), class: 'borders' }),
      this.dots,
      this.labels,
    );
    this.paint();
  }

  land(path) {
    this.shapes = new Map();
    this.places = new Map();
    const group = s('g', {});
    for (const shape of this.world.shapes) {
      const code = codeOf(shape);
      const drawn = s('path', { d: path(shape), class: 'land' });
      group.append(drawn);
      if (code) {
        drawn.append(s('title', {}, countryName(code)));
        drawn.addEventListener('click', (event) => this.pick(code, event));
        this.shapes.set(code, drawn);
        this.places.set(code, this.project(middleOf(code) ?? d3.geoCentroid(shape)));
      }
    }
    for (const [code, place] of POINT_OF) {
      this.places.set(code, this.project(place));
    }
    return group;
  }

  pick(code, event) {
    if (this.rows.some(([one]) => one === code)) {
      this.onPick(code, event.altKey);
    }
  }

  paint() {
    if (!this.dots) {
      return;
    }
    const rows = this.rows.filter(([code]) => this.places.has(code)).sort((a, b) => b[1] - a[1]);
    const known = new Set(rows.map(([code]) => code));
    for (const [code, shape] of this.shapes) {
      shape.classList.toggle('known', known.has(code));
      shape.classList.toggle('on', code === this.picked);
    }
    const circles = rows.map(([code, number]) => this.circle(code, number, rows[0][1]));
    this.dots.replaceChildren(...circles.map(({ el }) => el));
    this.labels.replaceChildren(...this.soundings(circles));
  }

  circle(code, number, most) {
    const [x, y] = this.places.get(code);
    const r = Math.max(LEAST_PX, Math.sqrt(number / most) * LARGEST_PX * Math.max(0.62, this.scale));
    const point = POINT_OF.has(code);
    const cls = [code === this.picked && 'on', point && 'point'].filter(Boolean).join(' ') || null;
    const el = s('circle', { cx: x, cy: y, r, class: cls });
    if (point) {
      el.append(s('title', {}, `${countryName(code)}: ${int(number)}`));
      el.addEventListener('click', (event) => this.pick(code, event));
    }
    return { el, x, y, r, number };
  }

  // A number stands in its circle if that is large, else to the right of it; nowhere, if something is there already.
  soundings(circles) {
    const unit = rem() / 16;
    const taken = [];
    const found = [];
    for (const [index, { x, y, r, number }] of circles.entries()) {
      const words = int(number);
      const width = words.length * 6.4 * unit;
      const inside = r > 13 * unit;
      const left = inside ? x - width / 2 : x + r + 3;
      const box = { left: left - 2, right: left + width + 2, top: y - 7 * unit, bottom: y + 6 * unit };
      const free = !taken.some((other) => overlap(box, other));
      const covered = !inside && circles.slice(0, index).some((other) => covers(other, box));
      if (free && !covered && (inside || this.scale > LABELLED_FROM)) {
        taken.push(box);
        found.push(s('text', { x: inside ? x : left, y: y + 4 * unit, class: inside ? 'in' : null }, words));
      } else {
        taken.push({ left: x - r, right: x + r, top: y - r, bottom: y + r });
      }
    }
    return found;
  }
}

function overlap(one, other) {
  return one.left < other.right && one.right > other.left && one.top < other.bottom && one.bottom > other.top;
}

function covers({ x, y, r }, box) {
  const dx = Math.max(box.left - x, 0, x - box.right);
  const dy = Math.max(box.top - y, 0, y - box.bottom);
  return dx * dx + dy * dy < r * r;
}
