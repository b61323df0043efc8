// Package trial tries a firmware profile on a sacrificial card: recognise, prepare, write, read, judge, tear after every command of a write, prove. And it asks an unknown chip
// harmless questions, to find out what it is.
//
// Its keys are everyone's: a card it made proves nothing to anybody. It must not import net/http or os.
package trial
