//! What the pages that need no JavaScript say to a person, in the languages of the paywall component. Texts of this
//! repository alone: they go into HTML as they stand.
//!
//! What the component says too stands here as it stands there; a test compares them.

use l402::decide::wants_language;

/// The texts of one language.
pub struct Words {
    /// Its code, for `lang`.
    pub code: &'static str,
    /// "You paid on", and what stands before and after the site.
    pub paid_on: [&'static str; 2],
    /// "Open the article".
    pub open: &'static str,
    /// What the card is for; the title of the window.
    pub pay: &'static str,
    /// That no money is real here.
    pub network_test: &'static str,
    /// What the QR code shows, with `{amount}`.
    pub qr_label: &'static str,
    /// To a wallet on this device.
    pub open_wallet: &'static str,
    /// What stands in the text field.
    pub invoice: &'static str,
    /// That nothing was paid yet.
    pub waiting: &'static str,
    /// How long it can be paid, with `{n}` minutes.
    pub left: &'static str,
    /// That nobody needs to press anything.
    pub by_itself: &'static str,
    /// What one can press.
    pub look_now: &'static str,
}

impl Words {
    /// The language that the component named in the link, or else the one that the browser prefers.
    pub fn of(named: Option<&str>, accept_language: Option<&str>) -> Self {
        let line = named.and_then(known).or_else(|| wants_language(accept_language, known));
        let mut texts = line.unwrap_or(ENGLISH).split('|');
        let mut next = || texts.next().unwrap_or_default();
        Self {
            code: next(),
            paid_on: [next(), next()],
            open: next(),
            pay: next(),
            network_test: next(),
            qr_label: next(),
            open_wallet: next(),
            invoice: next(),
            waiting: next(),
            left: next(),
            by_itself: next(),
            look_now: next(),
        }
    }

    /// Which way it is written, for `dir`.
    pub fn dir(&self) -> &'static str {
        if self.code == "ar" { "rtl" } else { "ltr" }
    }
}

/// The line of a language.
fn known(code: &str) -> Option<&'static str> {
    let is_it = |line: &&str| line.split('|').next().is_some_and(|known| known.eq_ignore_ascii_case(code));
    [ENGLISH].into_iter().chain(OTHERS.split('\n')).find(is_it)
}

/// `code|before the site|after it|button|pay|network_test|qr_label|open_wallet|invoice|waiting|left|by_itself|look_now`.
const ENGLISH: &str = "\
en|You paid on ||Open the article|Pay with a Lightning wallet|Test network: no real money|QR code: Lightning invoice of {amount}|Open in a wallet|Lightning invoice|Waiting for the payment|{n} min left to pay.|This page opens by itself.|Look now";

/// The same of the others.
const OTHERS: &str = "\
ar|لقد دفعت على ||افتح المقال|ادفع بمحفظة Lightning|شبكة اختبار: ليست أموالًا حقيقية|رمز QR: فاتورة Lightning بقيمة {amount}|افتح في محفظة|فاتورة Lightning|في انتظار الدفع|تبقّى {n} دقيقة للدفع.|ستُفتح هذه الصفحة تلقائيًا.|تحقّق الآن
de|Sie haben auf | bezahlt|Artikel öffnen|Mit einer Lightning-Wallet bezahlen|Testnetz: kein echtes Geld|QR-Code: Lightning-Rechnung über {amount}|In einer Wallet öffnen|Lightning-Rechnung|Warten auf die Zahlung|Noch {n} min zum Bezahlen.|Diese Seite öffnet sich von selbst.|Jetzt nachsehen
es|Has pagado en ||Abrir el artículo|Pagar con una billetera Lightning|Red de pruebas: no es dinero real|Código QR: factura Lightning de {amount}|Abrir en una billetera|Factura Lightning|Esperando el pago|Quedan {n} min para pagar.|Esta página se abre sola.|Comprobar ahora
fr|Vous avez payé sur ||Ouvrir l’article|Payer avec un portefeuille Lightning|Réseau de test : pas d’argent réel|QR code : facture Lightning de {amount}|Ouvrir dans un portefeuille|Facture Lightning|En attente du paiement|Il reste {n} min pour payer.|Cette page s’ouvre d’elle-même.|Vérifier maintenant
it|Hai pagato su ||Apri l’articolo|Paga con un wallet Lightning|Rete di prova: nessun denaro reale|Codice QR: fattura Lightning di {amount}|Apri in un wallet|Fattura Lightning|In attesa del pagamento|Restano {n} min per pagare.|Questa pagina si apre da sola.|Controlla ora
ja|| でお支払いが完了しました|記事を開く|Lightningウォレットで支払う|テストネットワーク：実際のお金ではありません|QRコード：{amount}のLightningインボイス|ウォレットで開く|Lightningインボイス|お支払いを待っています|支払い期限まであと{n}分です。|このページは自動的に開きます。|今すぐ確認
nl|Je hebt betaald op ||Artikel openen|Betaal met een Lightning-wallet|Testnetwerk: geen echt geld|QR-code: Lightning-factuur van {amount}|Openen in een wallet|Lightning-factuur|Wachten op de betaling|Nog {n} min om te betalen.|Deze pagina opent vanzelf.|Nu kijken
pl|Zapłacono na stronie ||Otwórz artykuł|Zapłać portfelem Lightning|Sieć testowa: to nie są prawdziwe pieniądze|Kod QR: faktura Lightning na {amount}|Otwórz w portfelu|Faktura Lightning|Oczekiwanie na płatność|Pozostało {n} min na zapłatę.|Ta strona otworzy się sama.|Sprawdź teraz
pt|Você pagou em ||Abrir o artigo|Pagar com uma carteira Lightning|Rede de teste: não é dinheiro de verdade|Código QR: fatura Lightning de {amount}|Abrir em uma carteira|Fatura Lightning|Aguardando o pagamento|Restam {n} min para pagar.|Esta página abre sozinha.|Verificar agora
ru|Вы заплатили на сайте ||Открыть статью|Оплатить через кошелёк Lightning|Тестовая сеть: деньги ненастоящие|QR-код: счёт Lightning на {amount}|Открыть в кошельке|Счёт Lightning|Ожидаем оплату|Осталось {n} мин на оплату.|Страница откроется сама.|Проверить сейчас
zh|您已在 | 付款|打开文章|使用 Lightning 钱包支付|测试网络：并非真实资金|二维码：{amount} 的 Lightning 发票|在钱包中打开|Lightning 发票|等待付款|剩余支付时间：{n} 分钟。|此页面会自动打开。|立即查看";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Row D13: who reads without JavaScript reads the same words as with it, in each language of the component.
    #[test]
    fn the_words_are_those_of_the_component_in_each_of_its_languages_d13() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/lang");
        let mut codes = Vec::new();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let texts: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let code = path.file_stem().unwrap().to_str().unwrap();
            let words = Words::of(Some(code), None);
            assert_eq!(words.code, code);
            for (id, said) in [
                ("pay", words.pay),
                ("network_test", words.network_test),
                ("qr_label", words.qr_label),
                ("open_wallet", words.open_wallet),
                ("invoice", words.invoice),
                ("waiting", words.waiting),
            ] {
                assert_eq!(texts[id], said, "{id} in {code}");
            }
            assert!(words.left.contains("{n}") && !words.by_itself.is_empty() && !words.look_now.is_empty(), "{code}");
            codes.push(code.to_owned());
        }
        assert_eq!(codes.len(), 1 + OTHERS.lines().count());
    }

    /// RFC 9110 §12.5.4: the heaviest language that is known; English for who asks for none of them.
    #[test]
    fn the_reader_s_language_is_taken_by_its_weight_d13() {
        let code = |accepted| Words::of(None, accepted).code;
        assert_eq!(code(Some("de-AT, en;q=0.9")), "de");
        assert_eq!(code(Some("en;q=0.5, pt-BR;q=0.8")), "pt");
        assert_eq!(code(Some("sv, fr;q=0.3")), "fr");
        for english in [None, Some(""), Some("sv"), Some("de;q=0"), Some("de;q=2"), Some("*"), Some(";;,q")] {
            assert_eq!(code(english), "en", "{english:?}");
        }
        assert_eq!(Words::of(Some("ar"), Some("de")).dir(), "rtl");
        assert_eq!(Words::of(Some("klingon"), Some("de")).code, "de");
    }
}
