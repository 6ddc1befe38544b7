// The widget's files and the id of their build. This stand-in has none; the build puts the real ones in its place.
export const build = "";
export default {};
