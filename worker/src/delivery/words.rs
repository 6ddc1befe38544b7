//! What the page behind a link says to who paid on another site, in the languages of the paywall component there. Texts
//! of this repository alone: they go into HTML as they stand.

use l402::decide::wants_language;

/// The texts of one language.
pub struct Words {
    /// Its code, for `lang`.
    pub code: &'static str,
    /// "You paid on", and what stands before and after the site.
    pub paid_on: [&'static str; 2],
    /// "Open the article".
    pub open: &'static str,
}

impl Words {
    /// The language that the component named in the link, or else the one that the browser prefers.
    pub fn of(named: Option<&str>, accept_language: Option<&str>) -> Self {
        let line = named.and_then(known).or_else(|| wants_language(accept_language, known));
        let mut texts = line.unwrap_or(ENGLISH).split('|');
        let mut next = || texts.next().unwrap_or_default();
        Self { code: next(), paid_on: [next(), next()], open: next() }
    }
}

/// The line of a language.
fn known(code: &str) -> Option<&'static str> {
    let is_it = |line: &&str| line.split('|').next().is_some_and(|known| known.eq_ignore_ascii_case(code));
    LINES.split('\n').find(is_it)
}

const ENGLISH: &str = "en|You paid on ||Open the article";

/// `code|before the site|after it|button`.
const LINES: &str = "\
en|You paid on ||Open the article
ar|لقد دفعت على ||افتح المقال
de|Sie haben auf | bezahlt|Artikel öffnen
es|Has pagado en ||Abrir el artículo
fr|Vous avez payé sur ||Ouvrir l’article
it|Hai pagato su ||Apri l’articolo
ja|| でお支払いが完了しました|記事を開く
nl|Je hebt betaald op ||Artikel openen
pl|Zapłacono na stronie ||Otwórz artykuł
pt|Você pagou em ||Abrir o artigo
ru|Вы заплатили на сайте ||Открыть статью
zh|您已在 | 付款|打开文章";
