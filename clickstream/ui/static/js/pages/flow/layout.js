// Lays out a small layered graph from left to right: source topics, views, statements, result topics.

const SWEEPS = 6;
const LONGEST_BEND = 90;

const mean = (list) => list.reduce((sum, one) => sum + one, 0) / list.length;

/**
 * @param {Array<{id: string, rank: number, h: number}>} nodes in the order of the file; `h` in px
 * @param {Array<{from: string, to: string, weight: number}>} edges `weight`: the width of the line in px
 * @param {Array<[number, number]>} columns x and width for each rank
 * @returns {{nodes: Map<string, Object>, edges: Object[], height: number}} nodes with x, y, w: y is the line at which
 *   their edges start and end; edges with path, x0, y0, x1, y1. The order depends on the input alone.
 */
export function layout(nodes, edges, columns) {
  const all = new Map(nodes.map((node, at) => [node.id, { ...node, at, out: [], in: [] }]));
  for (const edge of edges) {
    all.get(edge.from).out.push(edge);
    all.get(edge.to).in.push(edge);
  }
  let top = 0;
  for (const part of components(all)) {
    const ranks = byRank(part);
    orderRanks(all, ranks);
    top = setHeights(all, ranks, top);
  }
  for (const node of all.values()) {
    [node.x, node.w] = columns[node.rank];
    fan(all, node.out, 'to', 'y0', node.y);
    fan(all, node.in, 'from', 'y1', node.y);
  }
  for (const edge of edges) {
    draw(edge, all.get(edge.from), all.get(edge.to));
  }
  return { nodes: all, edges, height: top };
}

// What is not connected is laid out apart, one below the other.
function components(all) {
  const parts = [];
  const seen = new Set();
  for (const first of all.values()) {
    if (seen.has(first)) {
      continue;
    }
    const part = [first];
    seen.add(first);
    for (const node of part) { // grows while it is read
      const others = [...node.out.map((edge) => edge.to), ...node.in.map((edge) => edge.from)].map((id) => all.get(id));
      for (const other of others.filter((one) => !seen.has(one))) {
        seen.add(other);
        part.push(other);
      }
    }
    parts.push(part);
  }
  return parts;
}

function byRank(part) {
  const ranks = [];
  for (const node of part) {
    (ranks[node.rank] ??= []).push(node);
  }
  return ranks.filter(Boolean);
}

// By the mean place of the neighbours, rightwards and back; ties keep the file's order.
function orderRanks(all, ranks) {
  const place = (rank) => rank.forEach((node, index) => {
    node.place = (index + 0.5) / rank.length;
  });
  for (const rank of ranks) {
    place(rank.sort((a, b) => a.at - b.at));
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const back = sweep % 2 === 1;
    for (const rank of back ? [...ranks].reverse() : ranks) {
      for (const node of rank) {
        const near = back ? node.out.map((edge) => edge.to) : node.in.map((edge) => edge.from);
        node.pull = near.length ? mean(near.map((id) => all.get(id).place)) : node.place;
      }
      place(rank.sort((a, b) => a.pull - b.pull || a.at - b.at));
    }
  }
}

// The last rank fills rows; each other node stands at the mean of what it feeds, then they make room.
function setHeights(all, ranks, top) {
  let bottom = top;
  for (const rank of [...ranks].reverse()) {
    let y = top;
    for (const node of rank) {
      node.y = Math.max(y, node.out.length ? mean(node.out.map((edge) => all.get(edge.to).y)) : y);
      y = node.y + node.h;
    }
    bottom = Math.max(bottom, top + rank.reduce((sum, node) => sum + node.h, 0));
    let floor = bottom;
    for (const node of [...rank].reverse()) {
      node.y = Math.min(node.y, floor - node.h);
      floor = node.y;
    }
  }
  return bottom;
}

// Edges leave and arrive side by side in the order of their other ends, so that they do not cross at a node.
function fan(all, edges, other, y, at) {
  let next = at - edges.reduce((sum, edge) => sum + edge.weight + 1, -1) / 2;
  for (const edge of [...edges].sort((a, b) => all.get(a[other]).y - all.get(b[other]).y)) {
    edge[y] = next + edge.weight / 2;
    next += edge.weight + 1;
  }
}

function draw(edge, from, to) {
  edge.x0 = from.x + from.w;
  edge.x1 = to.x;
  const bend = Math.min(LONGEST_BEND, (edge.x1 - edge.x0) / 2);
  edge.path = `M${edge.x0} ${edge.y0}C${edge.x0 + bend} ${edge.y0} ${edge.x1 - bend} ${edge.y1} ${edge.x1} ${edge.y1}`;
}
