// Event names: the usual ones have words and a colour of their own; of others the first has a colour, the rest share one.

const USUAL = {
  productview: ['Product views', 0],
  removefrombasket: ['Taken out again', 1],
  addtobasket: ['Put in the basket', 2],
  purchase: ['Purchases', 3],
};
export const ALL_USUAL = ['productview', 'addtobasket', 'removefrombasket', 'purchase'];
export const SLOTS = [0, 1, 2, 3, 4, 5];
const OTHER = 5;

/** Words for a name; of one that is not usual, the name. */
export const titleOf = (name) => USUAL[name]?.[0] ?? name;

/** The slot of a name: which colour it has. `names` are all that there are. */
export function slotOf(name, names) {
  if (USUAL[name]) {
    return USUAL[name][1];
  }
  return names.find((one) => !USUAL[one]) === name ? 4 : OTHER;
}

/** The CSS variable of a slot's colour. */
export const colourOf = (slot) => `--cat-${slot + 1}`;
