/** Names for containers that nobody named, in Docker's form: an adjective and somebody to whom networks owe something. */
import { randomInt } from "node:crypto";
import { type ContainerName, parseContainerName } from "../../net/name.ts";

const LEFT =
  "able amber apt autumn awake bold brave brisk bright calm candid careful clear clever cosy crisp curious daring deft eager early earnest even fair fast fine firm fleet fluent fond frank free fresh gentle glad golden good grand great happy hardy honest humble keen kind lasting level light lively loyal lucid lucky mellow merry mild modest neat nimble noble patient plain prompt proud quick quiet rapid ready robust serene sharp silent simple smart smooth solid spry stable steady still stout sunny sure swift tidy tough trusty upbeat vivid warm wise witty".split(
    " ",
  );
const RIGHT =
  "baran bellovin berners boggs cailliau cerf clark cohen comer crocker deering diffie dijkstra eich estrin farber feinler floyd hamming hellman hinden hopper huffman huitema jacobson kahn karels kirstein kleinrock knuth lamport licklider lovelace lynch malkin merkle metcalfe mills mockapetris moy nagle partridge paxson perlman postel pouzin reed rekhter rivest roberts sabin saltzer shamir shannon shenker sinha stallman stevens taylor tomlinson torvalds turing varghese vixie wheeler wilkes zhang zimmermann".split(
    " ",
  );
const TRIES = 100;

/** @param isTaken does another container have that name? */
export function randomName(isTaken: (name: string) => boolean): ContainerName {
  const draw = (): string => `${LEFT[randomInt(LEFT.length)]}_${RIGHT[randomInt(RIGHT.length)]}`;
  for (let i = 0; i < TRIES; i++) {
    const name = draw();
    if (!isTaken(name)) return parseContainerName(name);
  }
  return parseContainerName(`${draw()}_${randomInt(2 ** 40).toString(16)}`);
}
