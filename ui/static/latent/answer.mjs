// What the server answers.

/** A response; where it is an error, the server's own sentence is thrown. */
export async function answer(url, options) {
  const response = await fetch(url, options);
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error ?? `HTTP ${response.status}`);
}
